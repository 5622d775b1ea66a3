/* The scripted peer: its thread, its sockets, and the bytes that it sends and reads. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(struct peer *peer, enum peer_kind kind);
static void *play(void *peer);

struct peer *peer_start(enum peer_kind kind, peer_script *script, void *arg)
{
    struct peer *peer = calloc(1, sizeof *peer);

    CHECK(peer != NULL);
    peer->script = script;
    peer->arg = arg;
    peer->conn = -1;
    peer->over = eventfd(0, EFD_CLOEXEC);
    CHECK(peer->over >= 0);
    sem_init(&peer->go, 0, 0);
    sem_init(&peer->told, 0, 0);
    peer->listener = listen_at(peer, kind);
    CHECK_INT(pthread_create(&peer->thread, NULL, play, peer), 0);
    return peer;
}

void peer_end(struct peer *peer)
{
    CHECK_INT(eventfd_write(peer->over, 1), 0);
    sem_post(&peer->go);
    CHECK_INT(pthread_join(peer->thread, NULL), 0);
    peer_close(peer);
    close(peer->listener);
    close(peer->over);
    sem_destroy(&peer->go);
    sem_destroy(&peer->told);
    free(peer->request);
    free(peer->in);
    free(peer);
}

const char *peer_target(const struct peer *peer)
{
    return peer->target;
}

void peer_go(struct peer *peer)
{
    sem_post(&peer->go);
}

void peer_heard(struct peer *peer)
{
    wait_for(&peer->told);
}

bool peer_wait(struct peer *peer)
{
    wait_for(&peer->go);
    return !wait_until_ready(peer->over, 0);
}

void peer_tell(struct peer *peer)
{
    sem_post(&peer->told);
}

static void *play(void *arg)
{
    struct peer *peer = arg;
    peer->script(peer, peer->arg);
    peer_close(peer);
    return NULL;
}

static int listen_unix(struct peer *peer, bool in_file_system)
{
    static int number;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address;
    char name[48];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    pthread_mutex_lock(&lock);
    snprintf(name, sizeof name, "peer%d", number++);
    pthread_mutex_unlock(&lock);
    if (in_file_system) {
        snprintf(address.sun_path, sizeof address.sun_path, "%s", own_path(name));
        snprintf(peer->target, sizeof peer->target, "unix:%s", address.sun_path);
    } else {
        snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "libqmp-test-%ld-%s", (long)getpid(), name);
        snprintf(peer->target, sizeof peer->target, "unix:@%s", address.sun_path + 1);
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
    }
    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, len), 0);
    return fd;
}

static int listen_tcp(struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, len), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(peer->target, sizeof peer->target, "tcp:127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static int listen_tcp6(struct peer *peer)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* A machine without IPv6 has an empty target: the test decides what that means. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0) {
        return fd;
    }
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(peer->target, sizeof peer->target, "tcp:[::1]:%d", ntohs(address.sin6_port));
    return fd;
}

static int listen_at(struct peer *peer, enum peer_kind kind)
{
    int fd = -1;

    switch (kind) {
    case PEER_UNIX:
    case PEER_ABSTRACT:
        fd = listen_unix(peer, kind == PEER_UNIX);
        break;
    case PEER_TCP:
        fd = listen_tcp(peer);
        break;
    case PEER_TCP6:
        fd = listen_tcp6(peer);
        break;
    }
    if (peer->target[0] != '\0') {
        CHECK_INT(listen(fd, 64), 0);
    }
    return fd;
}

/* Waits until `fd` is ready. False: the test is over, or nothing came for very long. */
static bool ready(struct peer *peer, int fd, short what, int timeout)
{
    struct pollfd fds[2] = {{.fd = fd, .events = what}, {.fd = peer->over, .events = POLLIN}};
    int n;

    do {
        n = poll(fds, 2, timeout);
    } while (n < 0 && errno == EINTR);
    return n > 0 && fds[1].revents == 0;
}

bool peer_accept(struct peer *peer)
{
    peer_close(peer);
    if (!ready(peer, peer->listener, POLLIN, -1)) {
        return false;
    }
    peer->conn = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    return peer->conn >= 0;
}

void peer_close(struct peer *peer)
{
    if (peer->conn >= 0) {
        close(peer->conn);
    }
    peer->conn = -1;
    peer->len = 0;
}

bool peer_send_bytes(struct peer *peer, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n;
        if (peer->conn < 0 || !ready(peer, peer->conn, POLLOUT, -1)) {
            return false;
        }
        n = send(peer->conn, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool peer_read(struct peer *peer, int timeout)
{
    ssize_t n;

    if (peer->conn < 0 || !ready(peer, peer->conn, POLLIN, timeout)) {
        return false;
    }
    if (peer->len + 65536 > peer->capacity) {
        peer->capacity = peer->capacity * 2 + 65536;
        peer->in = realloc(peer->in, peer->capacity);
        CHECK(peer->in != NULL);
    }
    n = recv(peer->conn, peer->in + peer->len, peer->capacity - peer->len, 0);
    peer->len += n > 0 ? (size_t)n : 0;
    return n > 0;
}
