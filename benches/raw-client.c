// The ideal that everything is compared with: what the same work costs a C program that has no library, keeps nothing,
// and parses no JSON. It finds the end of each message, and looks whether the id behind it is the right one.
//
// raw-client WORKLOAD SOCKET COUNT [busy-poll=USECS]. Prints one line of JSON. The workloads are bench-client.c's:
// seq, pretty, schema, large:BYTES, handoff, pipe, events, many:N. One connection is read by blocking reads (with
// busy-poll by reads that do not block, for so many microseconds at first), many by epoll.
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO "{\"execute\":\"qmp_capabilities\"}\n"
#define STATUS "{\"execute\":\"query-status\",\"id\":%d}\n"
#define EVENTS "{\"execute\":\"x-bench-events\",\"arguments\":{\"count\":%ld},\"id\":1}\n"
// What stands before the name of each event of the fake server.
#define EVENT_HEAD "{\"timestamp\": {\"seconds\": 1753000000, \"microseconds\": 120000}, \"event\": "
static const char LAST_EVENT[] = EVENT_HEAD "\"SHUTDOWN\"";
#define IN_FLIGHT 32

static const char *workload, *socket_path;
static uint64_t busy_ns;

// What was read and not yet looked at; it has room for the largest reply.
static char *input;
static size_t input_len, input_room = 1 << 18;

static void fail(const char *what)
{
    bench_fail("raw", workload, errno ? strerror(errno) : what);
}

static int dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    return fd;
}

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0)
            fail("send");
        bytes += sent;
        len -= (size_t)sent;
    }
}

// Reads what there is, behind what is there already.
static size_t read_more(int fd)
{
    if (input_len == input_room && !(input = realloc(input, input_room *= 2)))
        fail("realloc");
    ssize_t got = -1;
    if (busy_ns) {
        uint64_t begin = bench_now();
        do
            got = recv(fd, input + input_len, input_room - input_len, MSG_DONTWAIT);
        while (got < 0 && errno == EAGAIN && bench_now() - begin < busy_ns);
    }
    if (got < 0)
        got = read(fd, input + input_len, input_room - input_len);
    if (got <= 0)
        fail("the server has gone");
    errno = 0;
    input_len += (size_t)got;
    return (size_t)got;
}

// Reads one message, which nothing follows, and returns its length: a line, or with pretty printing all until a line
// that is a brace.
static size_t read_message(int fd, bool pretty)
{
    input_len = 0;
    for (;;) {
        size_t got = read_more(fd);
        char *from = input + input_len - got, *end = memchr(from, '\n', got);
        if (!pretty && end)
            return (size_t)(end + 1 - input);
        if (pretty && memcmp(input + input_len - 4, "\n}\r\n", 4) == 0)
            return input_len;
    }
}

// Does this id stand at the end of the message?
static bool has_id(const char *message, size_t len, int id, bool pretty)
{
    char tail[32];
    int tail_len = snprintf(tail, sizeof tail, pretty ? "\"id\": %d\r\n}\r\n" : "\"id\": %d}\r\n", id);
    return len > (size_t)tail_len && memcmp(message + len - tail_len, tail, (size_t)tail_len) == 0;
}

static int shake_hands(bool pretty)
{
    int fd = dial();
    read_message(fd, pretty);
    send_all(fd, HELLO, sizeof HELLO - 1);
    read_message(fd, pretty);
    return fd;
}

// One command after the other. The id is one digit that goes round.
static void sequential(const char *format, long count, size_t size, bool pretty)
{
    int fd = shake_hands(pretty), request_len[10];
    char request[10][128], more[128];
    size_t bytes = 0;
    struct bench b;
    for (int id = 0; id < 10; id++)
        request_len[id] = snprintf(request[id], sizeof request[id], format, id, size);
    bench_begin(&b, (size_t)count);
    for (long i = 0; i < count; i++) {
        int id = (int)(i % 10);
        uint64_t begin = bench_tick(&b);
        send_all(fd, request[id], (size_t)request_len[id]);
        size_t len = read_message(fd, pretty);
        if (len < size || !has_id(input, len, id, pretty))
            fail("a wrong reply");
        bytes += len;
        bench_latency(&b, begin);
    }
    bench_end(&b);
    snprintf(more, sizeof more, ", \"bytes\": %zu, \"MBps\": %.1f", bytes,
             (double)bytes / 1e6 / ((double)(b.end_ns - b.begin_ns) / 1e9));
    bench_print(&b, "raw", workload, (uint64_t)count, more);
    close(fd);
}

// pipe: for all that was answered one write asks anew. QEMU answers in order, so the ids go round.
static void pipelined(long count)
{
    static char requests[2 * IN_FLIGHT][40];
    char text[2 * IN_FLIGHT * 40];
    size_t begin_of[2 * IN_FLIGHT + 1] = { 0 };
    int fd = shake_hands(false);
    struct bench b;
    for (int i = 0; i < 2 * IN_FLIGHT; i++) {
        int len = snprintf(requests[i], sizeof requests[i], STATUS, i % IN_FLIGHT);
        memcpy(text + begin_of[i], requests[i], (size_t)len);
        begin_of[i + 1] = begin_of[i] + (size_t)len;
    }
    bench_begin(&b, 0);
    long sent = count < IN_FLIGHT ? count : IN_FLIGHT, done = 0;
    send_all(fd, text, begin_of[sent]);
    input_len = 0;
    while (done < count) {
        read_more(fd);
        char *message = input, *end;
        long answered = done;
        for (; (end = memchr(message, '\n', (size_t)(input + input_len - message))); message = end + 1, done++)
            if (!has_id(message, (size_t)(end + 1 - message), (int)(done % IN_FLIGHT), false))
                fail("a wrong reply");
        input_len = (size_t)(input + input_len - message);
        memmove(input, message, input_len);
        answered = done - answered;
        if (answered > count - sent)
            answered = count - sent;
        size_t first = (size_t)(sent % IN_FLIGHT);
        send_all(fd, text + begin_of[first], begin_of[first + (size_t)answered] - begin_of[first]);
        sent += answered;
    }
    bench_end(&b);
    bench_print(&b, "raw", workload, (uint64_t)count, "");
    close(fd);
}

// events: counts lines, until that of SHUTDOWN.
static void events(long count)
{
    int fd = shake_hands(false), len;
    char request[128], more[128];
    long lines = 0;
    struct bench b;
    len = snprintf(request, sizeof request, EVENTS, count);
    bench_begin(&b, 0);
    send_all(fd, request, (size_t)len);
    bool ended = false;
    input_len = 0;
    while (!ended) {
        read_more(fd);
        char *message = input, *end;
        for (; (end = memchr(message, '\n', (size_t)(input + input_len - message))); message = end + 1) {
            size_t room = (size_t)(end - message), begin = sizeof EVENT_HEAD - 1, last = sizeof LAST_EVENT - 1;
            ended = room > last && memcmp(message + begin, &LAST_EVENT[begin], last - begin) == 0;
            lines++;
        }
        input_len = (size_t)(input + input_len - message);
        memmove(input, message, input_len);
    }
    bench_end(&b);
    // The answer and SHUTDOWN are none.
    snprintf(more, sizeof more, ", \"received\": %ld, \"lost\": %ld", lines - 2, count - (lines - 2));
    bench_print(&b, "raw", workload, (uint64_t)count, more);
    close(fd);
}

struct handover {
    int fd;
    long count;
    sem_t answered;
};

// The thread that reads, and wakes the one that waits.
static void *read_for_another(void *user_data)
{
    struct handover *handover = user_data;
    for (long i = 0; i < handover->count; i++) {
        if (!has_id(input, read_message(handover->fd, false), (int)(i % 10), false))
            fail("a wrong reply");
        sem_post(&handover->answered);
    }
    return NULL;
}

static void handoff(long count)
{
    struct handover handover = { .fd = shake_hands(false), .count = count };
    char request[64];
    pthread_t reader;
    struct bench b;
    sem_init(&handover.answered, 0, 0);
    if (pthread_create(&reader, NULL, read_for_another, &handover))
        fail("pthread_create");
    bench_begin(&b, (size_t)count);
    for (long i = 0; i < count; i++) {
        uint64_t begin = bench_tick(&b);
        send_all(handover.fd, request, (size_t)snprintf(request, sizeof request, STATUS, (int)(i % 10)));
        while (sem_wait(&handover.answered) < 0)
            continue;
        bench_latency(&b, begin);
    }
    bench_end(&b);
    pthread_join(reader, NULL);
    bench_print(&b, "raw", workload, (uint64_t)count, "");
    sem_destroy(&handover.answered);
    close(handover.fd);
}

// Reads from whichever has something to say until so many lines came in all, and answers a greeting if it is one.
static void read_lines(int poller, long lines, bool greetings)
{
    struct epoll_event ready[256];
    while (lines > 0) {
        int n = epoll_wait(poller, ready, 256, 30000);
        if (n <= 0)
            fail("no answer in 30 seconds");
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            input_len = 0;
            read_more(fd);
            for (char *p = input; (p = memchr(p, '\n', (size_t)(input + input_len - p))); p++)
                lines--;
            if (greetings && memcmp(input, "{\"QMP\"", 6) == 0)
                send_all(fd, HELLO, sizeof HELLO - 1);
            else if (!greetings && !has_id(input, input_len, 1, false))
                fail("a wrong reply");
        }
    }
}

// many: n connections, all of which are asked, `times` times.
static void many(long n, long times)
{
    char request[64], more[256];
    int len = snprintf(request, sizeof request, STATUS, 1);
    struct bench_many m;
    struct bench b;
    bench_raise_files();
    bench_many_begin(&m);
    int *fds = calloc((size_t)n, sizeof *fds), poller = epoll_create1(EPOLL_CLOEXEC);
    bench_begin(&b, 0);
    for (long i = 0; i < n; i++) {
        fds[i] = dial();
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fds[i] };
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event) < 0)
            fail("epoll_ctl");
    }
    read_lines(poller, 2 * n, true);
    bench_many_connected(&m);
    for (long i = 0; i < times; i++) {
        for (long k = 0; k < n; k++)
            send_all(fds[k], request, (size_t)len);
        read_lines(poller, n, false);
    }
    bench_end(&b);
    bench_many_asked(&m);
    bench_many_print(&m, n, times, more, sizeof more);
    bench_print(&b, "raw", workload, (uint64_t)n, more);
    free(fds);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5) {
        fputs("usage: raw-client WORKLOAD SOCKET COUNT [busy-poll=USECS]\n", stderr);
        return 2;
    }
    workload = argv[1];
    socket_path = argv[2];
    long count = atol(argv[3]);
    const char *busy = argc == 5 ? strstr(argv[4], "busy-poll=") : NULL;
    busy_ns = busy ? strtoul(busy + 10, NULL, 10) * 1000 : 0;
    if (!(input = malloc(input_room)))
        fail("malloc");
    if (strcmp(workload, "seq") == 0 || strcmp(workload, "pretty") == 0)
        sequential(STATUS, count, 0, workload[0] == 'p');
    else if (strcmp(workload, "schema") == 0)
        sequential("{\"execute\":\"query-qmp-schema\",\"id\":%d}\n", count, 0, false);
    else if (strncmp(workload, "large:", 6) == 0)
        sequential("{\"execute\":\"x-bench-blob\",\"id\":%d,\"arguments\":{\"size\":%zu}}\n", count,
                   strtoul(workload + 6, NULL, 10), false);
    else if (strcmp(workload, "handoff") == 0)
        handoff(count);
    else if (strcmp(workload, "pipe") == 0)
        pipelined(count);
    else if (strcmp(workload, "events") == 0)
        events(count);
    else if (strncmp(workload, "many:", 5) == 0)
        many(atol(workload + 5), count);
    else
        fail("unsupported workload");
    free(input);
    return 0;
}
