// libvirt's own library as a client of the benchmark.
//
// libvirt-client WORKLOAD URI#DOMAIN COUNT: prints one line of JSON as ../bench.h does. Workloads: seq, schema, and
// pipe, which is 32 threads, as the library has only calls that block.
#include "../bench.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

#define STATUS "{\"execute\":\"query-status\"}"
#define SCHEMA "{\"execute\":\"query-qmp-schema\"}"
#define THREADS 32

static const char *workload;
static virDomainPtr domain;

static void fail(void)
{
    const char *why = virGetLastErrorMessage();
    bench_fail("libvirt", workload, why ? why : "unsupported workload");
}

static void be_quiet(void *user_data, virErrorPtr error)
{
    (void)user_data, (void)error;
}

static void run(const char *request)
{
    char *reply = NULL;
    if (virDomainQemuMonitorCommand(domain, request, &reply, 0) < 0)
        fail();
    free(reply);
}

static void sequential(const char *request, long count)
{
    struct bench b;
    bench_begin(&b, (size_t)count);
    for (long i = 0; i < count; i++) {
        uint64_t begin = bench_tick(&b);
        run(request);
        bench_latency(&b, begin);
    }
    bench_end(&b);
    bench_print(&b, "libvirt", workload, (uint64_t)count, "");
}

static void *ask(void *count)
{
    for (long i = 0; i < *(long *)count; i++)
        run(STATUS);
    return NULL;
}

static void pipelined(long count)
{
    pthread_t threads[THREADS];
    long each = (count + THREADS - 1) / THREADS;
    struct bench b;
    bench_begin(&b, 0);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, ask, &each))
            bench_fail("libvirt", workload, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    bench_end(&b);
    bench_print(&b, "libvirt", workload, (uint64_t)each * THREADS, "");
}

int main(int argc, char **argv)
{
    char *name = argc == 4 ? strchr(argv[2], '#') : NULL;
    if (!name) {
        fputs("usage: libvirt-client WORKLOAD URI#DOMAIN COUNT\n", stderr);
        return 2;
    }
    workload = argv[1];
    *name++ = '\0';
    virSetErrorFunc(NULL, be_quiet);
    virConnectPtr connection = virConnectOpen(argv[2]);
    if (!connection || !(domain = virDomainLookupByName(connection, name)))
        fail();
    if (strcmp(workload, "seq") == 0)
        sequential(STATUS, atol(argv[3]));
    else if (strcmp(workload, "schema") == 0)
        sequential(SCHEMA, atol(argv[3]));
    else if (strcmp(workload, "pipe") == 0)
        pipelined(atol(argv[3]));
    else
        bench_fail("libvirt", workload, "unsupported workload");
    virDomainFree(domain);
    virConnectClose(connection);
    return 0;
}
