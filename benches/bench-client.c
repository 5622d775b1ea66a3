// The benchmark client: everything through the public API.
//
// bench-client WORKLOAD TARGET COUNT [OPTIONS], where TARGET is a target string or the path of a UNIX socket, and
// OPTIONS are the monitor's, NAME=VALUE,NAME=VALUE. Prints one line of JSON. Workloads:
//
//   seq, pretty          COUNT times query-status, one after the other
//   schema               the same with query-qmp-schema
//   large:BYTES          the same with a reply of so many bytes, from the fake server; large200k and large4m are such
//   handoff              the same while a thread of the reactor's own turns
//   pipe                 COUNT times query-status, 32 in flight
//   events               COUNT events, from the fake server
//   count-events         COUNT events of a machine that somebody else makes busy
//   many:N, many         N monitors on one reactor and one thread: all connect, then all are asked, COUNT times;
//                        many alone is COUNT monitors, asked once
#include "bench.h"

#include <libqmp.h>

#define STATUS "{\"execute\":\"query-status\"}"
#define IN_FLIGHT 32

static const char *workload, *options = "";
static char target[4096];

static void fail(const char *what, qmp_error *err)
{
    bench_fail("libqmp", workload, err ? qmp_error_message(err) : what);
}

static void print(struct bench *b, uint64_t n, const char *more)
{
    bench_print(b, "libqmp", workload, n, more);
}

// A monitor with all the options, not connected.
static qmp_monitor *new_monitor(qmp_reactor *reactor)
{
    qmp_error *err = NULL;
    char copy[1024], *rest = copy, *pair;
    qmp_monitor *vm = qmp_monitor_new(reactor, target, &err);
    if (!vm)
        fail("new", err);
    snprintf(copy, sizeof copy, "%s", options);
    while ((pair = strsep(&rest, ","))) {
        char *value = strchr(pair, '=');
        if (!value)
            continue;
        *value++ = '\0';
        if (qmp_monitor_set(vm, pair, value, &err) < 0)
            fail("set", err);
    }
    return vm;
}

static qmp_monitor *open_monitor(qmp_reactor *reactor)
{
    qmp_error *err = NULL;
    qmp_monitor *vm = new_monitor(reactor);
    if (qmp_monitor_connect(vm, 10000, &err) < 0)
        fail("connect", err);
    return vm;
}

static void turn(qmp_reactor *reactor)
{
    qmp_error *err = NULL;
    if (qmp_reactor_turn(reactor, 10000, &err) < 0)
        fail("turn", err);
}

// One command after the other, each of which is answered by so many bytes at least.
static void run_all(qmp_monitor *vm, const char *request, long count, size_t at_least)
{
    struct bench b;
    size_t bytes = 0;
    char more[128];
    bench_begin(&b, (size_t)count);
    for (long i = 0; i < count; i++) {
        qmp_error *err = NULL;
        uint64_t begin = bench_tick(&b);
        qmp_buffer *reply = qmp_monitor_run(vm, request, QMP_TIMEOUT_DEFAULT, &err);
        if (!reply)
            fail("run", err);
        if (qmp_buffer_len(reply) < at_least)
            fail("a reply is too short", NULL);
        bytes += qmp_buffer_len(reply);
        qmp_buffer_free(reply);
        bench_latency(&b, begin);
    }
    bench_end(&b);
    snprintf(more, sizeof more, ", \"bytes\": %zu, \"MBps\": %.1f", bytes,
             (double)bytes / 1e6 / ((double)(b.end_ns - b.begin_ns) / 1e9));
    print(&b, (uint64_t)count, more);
}

// seq, pretty, schema, large: the blocking call does the I/O itself.
static void sequential(const char *request, long count, size_t at_least)
{
    qmp_monitor *vm = open_monitor(NULL);
    run_all(vm, request, count, at_least);
    qmp_monitor_free(vm);
}

static void large(size_t size, long count)
{
    char request[128];
    snprintf(request, sizeof request, "{\"execute\":\"x-bench-blob\",\"arguments\":{\"size\":%zu}}", size);
    sequential(request, count, size);
}

// handoff: the reactor's thread does the I/O, and hands over to the thread that waits.
static void handoff(long count)
{
    qmp_error *err = NULL;
    qmp_reactor *reactor = qmp_reactor_new(&err);
    if (!reactor || qmp_reactor_start(reactor, &err) < 0)
        fail("reactor", err);
    qmp_monitor *vm = open_monitor(reactor);
    run_all(vm, STATUS, count, 1);
    qmp_monitor_free(vm);
    qmp_reactor_free(reactor);
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
    print(&b, (uint64_t)count, "");
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
        tally->lost += (json = strstr(json, "\"count\":")) ? atol(json + 8) : 1;
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
    print(&b, (uint64_t)count, more);
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
    print(&b, (uint64_t)tally.received, more);
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

static void ask_all(qmp_reactor *reactor, qmp_monitor **vms, long n)
{
    qmp_error *err = NULL;
    long done = 0;
    for (long i = 0; i < n; i++)
        if (!qmp_monitor_start(vms[i], STATUS, 30000, answered, &done, NULL, &err))
            fail("start", err);
    while (done < n)
        turn(reactor);
}

// many: n monitors on one reactor and one thread; all connect, then all are asked, `times` times.
static void many(long n, long times)
{
    qmp_error *err = NULL;
    qmp_monitor **vms = calloc((size_t)n, sizeof *vms);
    char more[256];
    struct bench_many m;
    struct bench b;
    bench_raise_files();
    long done = 0;
    bench_many_begin(&m);
    qmp_reactor *reactor = qmp_reactor_new(&err);
    if (!reactor || !vms)
        fail("reactor", err);
    bench_begin(&b, 0);
    for (long i = 0; i < n; i++) {
        vms[i] = new_monitor(reactor);
        if (qmp_monitor_connect_start(vms[i], 30000, connected, &done, NULL, &err) < 0)
            fail("connect", err);
    }
    while (done < n)
        turn(reactor);
    bench_many_connected(&m);
    for (long i = 0; i < times; i++)
        ask_all(reactor, vms, n);
    bench_end(&b);
    bench_many_asked(&m);
    bench_many_print(&m, n, times, more, sizeof more);
    print(&b, (uint64_t)n, more);
    for (long i = 0; i < n; i++)
        qmp_monitor_free(vms[i]);
    free(vms);
    qmp_reactor_free(reactor);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fputs("usage: bench-client WORKLOAD TARGET COUNT [NAME=VALUE,...]\n", stderr);
        return 2;
    }
    workload = argv[1];
    snprintf(target, sizeof target, "%s%s", argv[2][0] == '/' ? "unix:" : "", argv[2]);
    long count = atol(argv[3]);
    if (argc == 5)
        options = argv[4];
    if (strcmp(workload, "seq") == 0 || strcmp(workload, "pretty") == 0)
        sequential(STATUS, count, 1);
    else if (strcmp(workload, "schema") == 0)
        sequential("{\"execute\":\"query-qmp-schema\"}", count, 1);
    else if (strncmp(workload, "large:", 6) == 0)
        large(strtoul(workload + 6, NULL, 10), count);
    else if (strcmp(workload, "large200k") == 0 || strcmp(workload, "large4m") == 0)
        large(workload[5] == '2' ? 200000 : 4000000, count);
    else if (strcmp(workload, "handoff") == 0)
        handoff(count);
    else if (strcmp(workload, "pipe") == 0)
        pipelined(count);
    else if (strcmp(workload, "events") == 0)
        events(count);
    else if (strcmp(workload, "count-events") == 0)
        count_events(count);
    else if (strncmp(workload, "many:", 5) == 0)
        many(atol(workload + 5), count);
    else if (strcmp(workload, "many") == 0)
        many(count, 1);
    else
        fail("unsupported workload", NULL);
    return 0;
}
