/* A peer that sends more than one round reads, and closes: the end is seen behind all of it. */
#include "harness.h"

#include <sys/socket.h>
#include <unistd.h>

static const char NOISE[] = "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"NOISE\"}\r\n";

int main(void)
{
    size_t many = 3000000 / (sizeof NOISE - 1), len = many * (sizeof NOISE - 1), sent = 0;
    char *noise = malloc(len), target[32];
    int ends[2], room = 8 << 20;
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor;
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK(noise);
    for (size_t i = 0; i < many; i++) {
        memcpy(noise + i * (sizeof NOISE - 1), NOISE, sizeof NOISE - 1);
    }
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    /* More than the limit for everybody needs a privilege; what there is room for is sent then. */
    if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
        CHECK_INT(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    }
    snprintf(target, sizeof target, "fd:%d", ends[0]);
    monitor = NEW_ON(reactor, target);
    close(ends[0]);
    CHECK_OK(qmp_monitor_subscribe(monitor, "NONE", log_event, &log, NULL, &error) != 0, error);
    CHECK_INT(send(ends[1], GREETING(""), strlen(GREETING("")), MSG_NOSIGNAL), strlen(GREETING("")));
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &log, NULL, &error) == 0, error);
    /* It reads the greeting, and asks for its capabilities. */
    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    CHECK_INT(send(ends[1], "{\"return\": {}, \"id\": 0}\r\n", 25, MSG_NOSIGNAL), 25);
    log_turn(&log, reactor, 2);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    while (sent < len) {
        ssize_t n = send(ends[1], noise + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            break;
        }
        sent += (size_t)n;
    }
    close(ends[1]);
    log_turn(&log, reactor, 3);
    CHECK(log_find(&log, "LIBQMP_DISCONNECTED") >= 0);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    free(noise);
    return 0;
}
