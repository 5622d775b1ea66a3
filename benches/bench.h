// Clocks, percentiles, resource use, and the JSON line that a benchmark client prints. A program that includes it is
// called WORKLOAD TARGET COUNT [OPTIONS], and has a name of its own.
#ifndef LIBQMP_BENCH_H
#define LIBQMP_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

// What is measured between bench_begin and bench_end.
struct bench {
    uint64_t begin_ns, end_ns;
    struct rusage begin_use, end_use;
    uint64_t *latencies;
    size_t n_latencies, room;
};

static inline uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// A number out of such a file of /proc/self, such as "VmRSS" of status in KB; -1 if there is none.
static inline long bench_proc(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    char line[256];
    long value = -1;
    size_t len = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, len) == 0 && line[len] == ':') {
            value = atol(line + len + 1);
            break;
        }
    }
    if (file)
        fclose(file);
    return value;
}

static inline long bench_status(const char *key)
{
    return bench_proc("/proc/self/status", key);
}

// The memory that is this process's own, and its part of what it shares with others, in KB.
static inline long bench_pss(void)
{
    return bench_proc("/proc/self/smaps_rollup", "Pss");
}

// As many descriptors as may be.
static inline void bench_raise_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// The CPU time that this process has used, in seconds.
static inline double bench_cpu(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

// What `many` measures besides: before the first monitor, when all are connected, and when all were asked.
struct bench_many {
    long rss_kb[2], pss_kb[2];
    uint64_t at_ns[3];
    double cpu[3];
};

static inline void bench_many_begin(struct bench_many *m)
{
    m->rss_kb[0] = bench_status("VmRSS");
    m->pss_kb[0] = bench_pss();
    m->at_ns[0] = bench_now();
    m->cpu[0] = bench_cpu();
}

static inline void bench_many_connected(struct bench_many *m)
{
    m->at_ns[1] = bench_now();
    m->cpu[1] = bench_cpu();
}

static inline void bench_many_asked(struct bench_many *m)
{
    m->at_ns[2] = bench_now();
    m->cpu[2] = bench_cpu();
    m->rss_kb[1] = bench_status("VmRSS");
    m->pss_kb[1] = bench_pss();
}

// As members for bench_print: of `n` monitors, all of which were asked so many times.
static inline void bench_many_print(const struct bench_many *m, long n, long times, char *more, size_t room)
{
    snprintf(more, room,
             ", \"connect_s\": %.6f, \"query_s\": %.6f, \"connect_cpu_us\": %.3f, \"query_cpu_us\": %.3f, "
             "\"kb_per_mon\": %.3f, \"pss_per_mon\": %.3f",
             (double)(m->at_ns[1] - m->at_ns[0]) / 1e9, (double)(m->at_ns[2] - m->at_ns[1]) / 1e9,
             (m->cpu[1] - m->cpu[0]) * 1e6 / (double)n, (m->cpu[2] - m->cpu[1]) * 1e6 / (double)n / (double)times,
             (double)(m->rss_kb[1] - m->rss_kb[0]) / (double)n, (double)(m->pss_kb[1] - m->pss_kb[0]) / (double)n);
}

// Begins to measure; keeps up to `latencies` single latencies. BENCH_LATENCIES=off keeps none: where instructions are
// counted, neither the clock nor sorting plays a part.
static inline void bench_begin(struct bench *b, size_t latencies)
{
    const char *wish = getenv("BENCH_LATENCIES");
    if (wish && strcmp(wish, "off") == 0)
        latencies = 0;
    memset(b, 0, sizeof *b);
    b->room = latencies;
    b->latencies = latencies ? calloc(latencies, sizeof *b->latencies) : NULL;
    getrusage(RUSAGE_SELF, &b->begin_use);
    b->begin_ns = bench_now();
}

// The time at which an operation begins, for bench_latency.
static inline uint64_t bench_tick(const struct bench *b)
{
    return b->room ? bench_now() : 0;
}

static inline void bench_latency(struct bench *b, uint64_t begin)
{
    if (b->n_latencies < b->room)
        b->latencies[b->n_latencies++] = bench_now() - begin;
}

static inline void bench_end(struct bench *b)
{
    b->end_ns = bench_now();
    getrusage(RUSAGE_SELF, &b->end_use);
}

static inline int bench_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static inline double bench_seconds(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

// Prints the result of n operations; `more` holds further JSON members, each with a comma in front.
static inline void bench_print(struct bench *b, const char *client, const char *workload, uint64_t n, const char *more)
{
    double seconds = (double)(b->end_ns - b->begin_ns) / 1e9;
    printf("{\"client\": \"%s\", \"workload\": \"%s\", \"ok\": true, \"n\": %llu, \"secs\": %.6f, \"rate\": %.1f",
           client, workload, (unsigned long long)n, seconds, (double)n / seconds);
    if (b->n_latencies) {
        qsort(b->latencies, b->n_latencies, sizeof *b->latencies, bench_compare);
        printf(", \"p50_us\": %.2f, \"p99_us\": %.2f", (double)b->latencies[b->n_latencies / 2] / 1e3,
               (double)b->latencies[b->n_latencies * 99 / 100] / 1e3);
    }
    printf(", \"utime\": %.4f, \"stime\": %.4f, \"csw\": %ld, \"rss_kb\": %ld, \"peak_kb\": %ld, \"threads\": %ld%s}\n",
           bench_seconds(b->begin_use.ru_utime, b->end_use.ru_utime),
           bench_seconds(b->begin_use.ru_stime, b->end_use.ru_stime), b->end_use.ru_nvcsw - b->begin_use.ru_nvcsw,
           bench_status("VmRSS"), bench_status("VmHWM"), bench_status("Threads"), more);
    free(b->latencies);
}

// Prints that it failed, and ends.
static inline void bench_fail(const char *client, const char *workload, const char *why)
{
    printf("{\"client\": \"%s\", \"workload\": \"%s\", \"ok\": false, \"err\": \"", client, workload);
    for (const char *p = why; *p; p++)
        putchar(*p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '\'' : *p);
    puts("\"}");
    exit(1);
}

#endif
