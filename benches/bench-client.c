// The benchmark client: everything through the public API.
//
// bench-client WORKLOAD TARGET COUNT, where TARGET is a target string or the path of a UNIX socket. Prints one line of
// JSON. Workloads: seq, pretty, pipe, events, large200k, large4m, schema, many, count-events.
#include "bench.h"

#include <libqmp.h>

#define STATUS "{\"execute\":\"query-status\"}"
#define IN_FLIGHT 32

static const char *workload;
static char target[4096];

static int fail(const char *what, qmp_error *err)
{
    printf("{\"client\": \"libqmp\", \"workload\": \"%s\", \"ok\": false, \"err\": \"", workload);
    for (const char *p = err ? qmp_error_message(err) : what; *p; p++)
        putchar(*p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '\'' : *p);
    puts("\"}");
    exit(1);
}

static qmp_monitor *open_monitor(qmp_reactor *reactor)
{
    qmp_error *err = NULL;
    qmp_monitor *vm = qmp_monitor_open(reactor, target, 10000, &err);
    if (!vm)
        fail("open", err);
    return vm;
}

static void turn(qmp_reactor *reactor)
{
    qmp_error *err = NULL;
    if (qmp_reactor_turn(reactor, 10000, &err) < 0)
        fail("turn", err);
}

// seq, pretty, large, schema: one command after the other.
static void sequential(const char *request, long count, int large)
{
    qmp_monitor *vm = open_monitor(NULL);
    struct bench b;
    size_t bytes = 0;
    char more[128] = "";
    bench_begin(&b, (size_t)count);
    for (long i = 0; i < count; i++) {
        qmp_error *err = NULL;
        uint64_t begin = bench_now();
        qmp_buffer *reply = qmp_monitor_run(vm, request, QMP_TIMEOUT_DEFAULT, &err);
        if (!reply)
            fail("run", err);
        bytes += qmp_buffer_len(reply);
        qmp_buffer_free(reply);
        bench_latency(&b, bench_now() - begin);
    }
    bench_end(&b);
    if (large)
        snprintf(more, sizeof more, ", \"bytes\": %zu, \"MBps\": %.1f", bytes,
                 (double)bytes / 1e6 / ((double)(b.end_ns - b.begin_ns) / 1e9));
    bench_print(&b, workload, (uint64_t)count, more);
    qmp_monitor_free(vm);
}

struct pipeline {
    long started, done, count;
};

static void start_one(qmp_monitor *vm, struct pipeline *pipeline);

static void piped(void *user_data, qmp_monitor *vm, const qmp_error *error_or_null, const char *json, size_t len)
{
    struct pipeline *pipeline = user_data;
    (void)json, (void)len;
    if (error_or_null)
        fail(qmp_error_message(error_or_null), NULL);
    pipeline->done++;
    if (pipeline->started < pipeline->count)
        start_one(vm, pipeline);
}

static void start_one(qmp_monitor *vm, struct pipeline *pipeline)
{
    qmp_error *err = NULL;
    pipeline->started++;
    if (!qmp_monitor_start(vm, STATUS, QMP_TIMEOUT_DEFAULT, piped, pipeline, NULL, &err))
        fail("start", err);
}

// pipe: 32 requests in flight, each with a callback of its own.
static void pipelined(long count)
{
    qmp_monitor *vm = open_monitor(NULL);
    struct pipeline pipeline = { 0, 0, count };
    struct bench b;
    bench_begin(&b, 0);
    while (pipeline.started < IN_FLIGHT && pipeline.started < count)
        start_one(vm, &pipeline);
    while (pipeline.done < count)
        turn(qmp_monitor_reactor(vm));
    bench_end(&b);
    bench_print(&b, workload, (uint64_t)count, "");
    qmp_monitor_free(vm);
}

struct tally {
    long received, lost, ended;
};

static void counted(void *user_data, qmp_monitor *vm, const char *event, const char *json, size_t len)
{
    struct tally *tally = user_data;
    (void)vm, (void)len;
    if (strcmp(event, "SHUTDOWN") == 0)
        tally->ended = 1;
    else if (strcmp(event, "LIBQMP_EVENTS_LOST") == 0)
        tally->lost += atol(strstr(json, "\"count\":") + 8);
    else if (strncmp(event, "LIBQMP_", 7) != 0)
        tally->received++;
}

// events: the fake server sends COUNT of them as fast as it can, then SHUTDOWN.
static void events(long count)
{
    qmp_monitor *vm = open_monitor(NULL);
    qmp_error *err = NULL;
    struct tally tally = { 0, 0, 0 };
    char request[128], more[128];
    struct bench b;
    snprintf(request, sizeof request, "{\"execute\":\"x-bench-events\",\"arguments\":{\"count\":%ld}}", count);
    if (!qmp_monitor_subscribe(vm, NULL, counted, &tally, NULL, &err))
        fail("subscribe", err);
    bench_begin(&b, 0);
    qmp_buffer *reply = qmp_monitor_run(vm, request, QMP_TIMEOUT_DEFAULT, &err);
    if (!reply)
        fail("run", err);
    qmp_buffer_free(reply);
    while (!tally.ended)
        turn(qmp_monitor_reactor(vm));
    bench_end(&b);
    snprintf(more, sizeof more, ", \"received\": %ld, \"lost\": %ld", tally.received, count - tally.received);
    bench_print(&b, workload, (uint64_t)count, more);
    qmp_monitor_free(vm);
}

// count-events: counts the events of a machine that somebody else makes busy.
static void count_events(long count)
{
    qmp_monitor *vm = open_monitor(NULL);
    qmp_error *err = NULL;
    struct tally tally = { 0, 0, 0 };
    char more[128];
    struct bench b;
    if (!qmp_monitor_subscribe(vm, NULL, counted, &tally, NULL, &err))
        fail("subscribe", err);
    fputs("ready\n", stderr);
    bench_begin(&b, 0);
    while (tally.received < count && qmp_monitor_state(vm) == QMP_STATE_CONNECTED)
        turn(qmp_monitor_reactor(vm));
    bench_end(&b);
    snprintf(more, sizeof more, ", \"received\": %ld, \"lost\": %ld", tally.received, tally.lost);
    bench_print(&b, workload, (uint64_t)tally.received, more);
    qmp_monitor_free(vm);
}

static void connected(void *user_data, qmp_monitor *vm, const qmp_error *error_or_null)
{
    (void)vm;
    if (error_or_null)
        fail(qmp_error_message(error_or_null), NULL);
    ++*(long *)user_data;
}

static void answered(void *user_data, qmp_monitor *vm, const qmp_error *error_or_null, const char *json, size_t len)
{
    (void)json, (void)len;
    connected(user_data, vm, error_or_null);
}

// many: COUNT monitors on one reactor and one thread; all connect, then all are asked once.
static void many(long count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    qmp_error *err = NULL;
    qmp_reactor *reactor = qmp_reactor_new(&err);
    qmp_monitor **vms = calloc((size_t)count, sizeof *vms);
    long done = 0, rss_before = bench_status("VmRSS");
    char more[256];
    struct bench b;
    if (!reactor || !vms)
        fail("reactor", err);
    bench_begin(&b, 0);
    for (long i = 0; i < count; i++) {
        vms[i] = qmp_monitor_new(reactor, target, &err);
        if (!vms[i] || qmp_monitor_connect_start(vms[i], 30000, connected, &done, NULL, &err))
            fail("connect", err);
    }
    while (done < count)
        turn(reactor);
    uint64_t asked = bench_now();
    done = 0;
    for (long i = 0; i < count; i++)
        if (!qmp_monitor_start(vms[i], STATUS, 30000, answered, &done, NULL, &err))
            fail("start", err);
    while (done < count)
        turn(reactor);
    bench_end(&b);
    snprintf(more, sizeof more, ", \"connect_s\": %.4f, \"query_s\": %.4f, \"kb_per_mon\": %.2f",
             (double)(asked - b.begin_ns) / 1e9, (double)(b.end_ns - asked) / 1e9,
             (double)(bench_status("VmRSS") - rss_before) / (double)count);
    bench_print(&b, workload, (uint64_t)count, more);
    for (long i = 0; i < count; i++)
        qmp_monitor_free(vms[i]);
    free(vms);
    qmp_reactor_free(reactor);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: bench-client WORKLOAD TARGET COUNT\n", stderr);
        return 2;
    }
    workload = argv[1];
    snprintf(target, sizeof target, "%s%s", argv[2][0] == '/' ? "unix:" : "", argv[2]);
    long count = atol(argv[3]);
    if (strcmp(workload, "seq") == 0 || strcmp(workload, "pretty") == 0)
        sequential(STATUS, count, 0);
    else if (strcmp(workload, "large200k") == 0)
        sequential("{\"execute\":\"x-bench-blob\",\"arguments\":{\"size\":200000}}", count, 1);
    else if (strcmp(workload, "large4m") == 0)
        sequential("{\"execute\":\"x-bench-blob\",\"arguments\":{\"size\":4000000}}", count, 1);
    else if (strcmp(workload, "schema") == 0)
        sequential("{\"execute\":\"query-qmp-schema\"}", count, 1);
    else if (strcmp(workload, "pipe") == 0)
        pipelined(count);
    else if (strcmp(workload, "events") == 0)
        events(count);
    else if (strcmp(workload, "count-events") == 0)
        count_events(count);
    else if (strcmp(workload, "many") == 0)
        many(count);
    else
        fail("unsupported workload", NULL);
    return 0;
}
