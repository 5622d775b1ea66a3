// A QMP peer that does nothing but answer fast: what is measured against it is the client.
//
// fake-server COMPACT [PRETTY]: listens on these UNIX sockets, for any number of clients each, prints "ready", and ends
// with the process that started it. On COMPACT it writes as QEMU does, on PRETTY as QEMU does with pretty=on. It knows
//
//   qmp_capabilities, query-status   as QEMU
//   x-bench-blob {"size": N}         a value of exactly N bytes, before pretty printing
//   x-bench-events {"count": N}      an empty answer, then N times RTC_CHANGE, numbered in "offset", then SHUTDOWN
//
// and answers each client in order. One thread: nothing here waits but for sockets.
#include "fake-request.h"
#include "fake-text.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 9}, \"package\": \"fake-server\"}, " \
    "\"capabilities\": [\"oob\"]}}"
#define STATUS "{\"status\": \"running\", \"singlestep\": false, \"running\": true}"
#define NOT_FOUND "{\"class\": \"CommandNotFound\", \"desc\": \"The command has not been found\"}"
#define EVENT_HEAD "{\"timestamp\": {\"seconds\": 1753000000, \"microseconds\": 120000}, \"event\": "
#define CHANGED EVENT_HEAD "\"RTC_CHANGE\", \"data\": {\"offset\": "
#define CHANGED_TAIL ", \"qom-path\": \"/machine/unattached/device[7]/rtc\"}}"
#define SHUTDOWN EVENT_HEAD "\"SHUTDOWN\", \"data\": {\"guest\": false, \"reason\": \"host-qmp-quit\"}}"

// As many bytes of events are made ready at a time.
#define EVENTS_AT_ONCE 131072
#define FIRST_OFFSET 1000000000u

// A large answer without its end. All are kept, so that who asks again waits for nothing but the socket.
struct blob {
    struct text text;
    uint64_t size;
    bool pretty;
    struct blob *next;
};

struct peer {
    int socket;
    bool listens, pretty, awaits_room;
    // What came and is no whole request yet, and what is to be written from `written` on.
    struct text in, out;
    size_t written;
    // Behind that: the rest of a large answer, and its end.
    const struct blob *blob;
    size_t blob_written;
    char blob_end[128];
    // Behind that: events that are still to be made.
    uint64_t events, offset;
};

static int poller;
static struct blob *blobs;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void add_message(struct peer *peer, const char *json, size_t len)
{
    if (peer->pretty)
        text_pretty(&peer->out, json, len, 0);
    else
        text_add(&peer->out, json, len);
    text_puts(&peer->out, "\r\n");
}

static void add_answer(struct peer *peer, const char *member, const char *value, const struct request *request)
{
    static struct text message;
    struct text *out = peer->pretty ? &message : &peer->out;
    message.len = 0;
    text_puts(out, member);
    text_puts(out, value);
    if (request->id) {
        text_puts(out, ", \"id\": ");
        text_add(out, request->id, request->id_len);
    }
    text_puts(out, "}");
    if (peer->pretty)
        add_message(peer, message.bytes, message.len);
    else
        text_puts(out, "\r\n");
}

static const struct blob *find_blob(uint64_t size, bool pretty)
{
    for (struct blob *blob = blobs; blob; blob = blob->next)
        if (blob->size == size && blob->pretty == pretty)
            return blob;
    struct blob *blob = calloc(1, sizeof *blob);
    struct text plain = { 0 };
    if (!blob)
        die("calloc");
    text_puts(&plain, "{\"return\": ");
    text_array(&plain, size);
    if (pretty) {
        text_pretty(&blob->text, plain.bytes, plain.len, 0);
        free(plain.bytes);
    } else {
        blob->text = plain;
    }
    blob->size = size;
    blob->pretty = pretty;
    blob->next = blobs;
    return blobs = blob;
}

static void begin_blob(struct peer *peer, const struct request *request)
{
    const char *line = peer->pretty ? "\r\n" : "", *before_id = peer->pretty ? "\r\n    " : " ";
    int id_len = request->id_len < 64 ? (int)request->id_len : 0;
    peer->blob = find_blob(request->number, peer->pretty);
    peer->blob_written = 0;
    if (id_len)
        snprintf(peer->blob_end, sizeof peer->blob_end, ",%s\"id\": %.*s%s}\r\n", before_id, id_len, request->id, line);
    else
        snprintf(peer->blob_end, sizeof peer->blob_end, "%s}\r\n", line);
}

static void answer(struct peer *peer, const struct request *request)
{
    if (is(request->command, request->command_len, "query-status")) {
        add_answer(peer, "{\"return\": ", STATUS, request);
    } else if (is(request->command, request->command_len, "x-bench-blob")) {
        begin_blob(peer, request);
    } else if (is(request->command, request->command_len, "x-bench-events")) {
        add_answer(peer, "{\"return\": ", "{}", request);
        peer->events = request->number + 1;
        peer->offset = FIRST_OFFSET;
    } else if (is(request->command, request->command_len, "qmp_capabilities")) {
        add_answer(peer, "{\"return\": ", "{}", request);
    } else {
        add_answer(peer, "{\"error\": ", NOT_FOUND, request);
    }
}

// The next events. All have one length, as the first offset has ten digits and the last one too.
static void add_events(struct peer *peer)
{
    char event[sizeof CHANGED + sizeof CHANGED_TAIL + 16];
    while (peer->events > 1 && peer->out.len < EVENTS_AT_ONCE) {
        int len = snprintf(event, sizeof event, CHANGED "%llu" CHANGED_TAIL, (unsigned long long)peer->offset);
        if (peer->pretty) {
            add_message(peer, event, (size_t)len);
            peer->events--, peer->offset++;
            continue;
        }
        event[len++] = '\r', event[len++] = '\n';
        char *digits = event + sizeof CHANGED - 1;
        while (peer->events > 1 && peer->out.len < EVENTS_AT_ONCE) {
            uint64_t rest = peer->offset++;
            for (int i = 9; i >= 0; i--, rest /= 10)
                digits[i] = (char)('0' + rest % 10);
            text_add(&peer->out, event, (size_t)len);
            peer->events--;
        }
    }
    if (peer->events == 1 && peer->out.len < EVENTS_AT_ONCE) {
        add_message(peer, SHUTDOWN, sizeof SHUTDOWN - 1);
        peer->events = 0;
    }
}

// Answers the requests that are there, and keeps what is left of them. A large answer
// and events go out before the next request is read.
static void answer_all(struct peer *peer)
{
    const char *p = peer->in.bytes, *end = p + peer->in.len, *next;
    struct request request;
    if (!peer->in.len)
        return;
    while (!peer->events && !peer->blob && p < end && (next = read_request(p, end, &request))) {
        answer(peer, &request);
        p = next;
    }
    peer->in.len = (size_t)(end - p);
    memmove(peer->in.bytes, p, peer->in.len);
}

static void leave(struct peer *peer)
{
    close(peer->socket);
    free(peer->in.bytes);
    free(peer->out.bytes);
    free(peer);
}

static void watch(struct peer *peer, int operation)
{
    struct epoll_event event = { .events = peer->awaits_room ? EPOLLOUT : EPOLLIN, .data.ptr = peer };
    if (epoll_ctl(poller, operation, peer->socket, &event) < 0)
        die("epoll_ctl");
}

// Writes these bytes from *written on. False if not all of them went out: errno is EAGAIN if the socket is full.
static bool write_from(const struct peer *peer, const struct text *text, size_t *written)
{
    while (*written < text->len) {
        ssize_t sent = send(peer->socket, text->bytes + *written, text->len - *written, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        *written += (size_t)sent;
    }
    return true;
}

// Writes what there is, and answers what there is to answer, until all is done or the socket is full: then errno is
// EAGAIN, and false comes back, as it does if the client is gone.
static bool write_out(struct peer *peer)
{
    for (;;) {
        if (!write_from(peer, &peer->out, &peer->written))
            return false;
        peer->written = peer->out.len = 0;
        if (peer->blob) {
            if (!write_from(peer, &peer->blob->text, &peer->blob_written))
                return false;
            peer->blob = NULL;
            text_puts(&peer->out, peer->blob_end);
        } else if (peer->events) {
            add_events(peer);
        } else {
            answer_all(peer);
            if (!peer->out.len && !peer->blob)
                return true;
        }
    }
}

static void serve(struct peer *peer)
{
    static char bytes[65536];
    if (!peer->awaits_room) {
        ssize_t got = recv(peer->socket, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            leave(peer);
            return;
        }
        text_add(&peer->in, bytes, (size_t)got);
    }
    bool awaits_room = !write_out(peer);
    if (awaits_room && errno != EAGAIN) {
        leave(peer);
        return;
    }
    if (awaits_room != peer->awaits_room) {
        peer->awaits_room = awaits_room;
        watch(peer, EPOLL_CTL_MOD);
    }
}

static struct peer *new_peer(int socket, bool pretty)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        die("calloc");
    peer->socket = socket;
    peer->pretty = pretty;
    return peer;
}

static void greet(const struct peer *listener)
{
    int accepted;
    while ((accepted = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = new_peer(accepted, listener->pretty);
        watch(peer, EPOLL_CTL_ADD);
        add_message(peer, GREETING, sizeof GREETING - 1);
        if (!write_out(peer))
            leave(peer); // A socket that was just made has room for a greeting.
    }
}

static void listen_at(const char *path, bool pretty)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG, die(path);
    strcpy(address.sun_path, path);
    unlink(path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 65535) < 0)
        die(path);
    struct peer *peer = new_peer(listener, pretty);
    peer->listens = true;
    watch(peer, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct epoll_event events[256];
    if (argc < 2 || argc > 3) {
        fputs("usage: fake-server COMPACT [PRETTY]\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 1; i < argc; i++)
        listen_at(argv[i], i == 2);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer->listens)
                greet(peer);
            else
                serve(peer);
        }
    }
}
