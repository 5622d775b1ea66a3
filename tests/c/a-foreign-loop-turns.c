/* poll on qmp_reactor_fd and turn(0) when it is readable: everything happens, deadlines too, and nothing spins. */
#include "harness.h"

static int turns, callbacks;

static void loop_until(qmp_reactor *reactor, int fd, struct log *log, int count)
{
    long long end = now_ms() + LONG;
    qmp_error *error = NULL;

    while (log_count(log) < count) {
        int n;
        CHECK(wait_until_ready(fd, (int)(end - now_ms())));
        n = qmp_reactor_turn(reactor, 0, &error);
        CHECK_OK(n >= 0, error);
        turns++;
        callbacks += n;
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = NEW_ON(reactor, peer_target(peer));
    qmp_monitor *mute = NEW_ON(reactor, peer_target(silent));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int fd = qmp_reactor_fd(reactor);
    long long begin;

    CHECK(fd >= 0);
    CHECK_INT(qmp_reactor_fd(reactor), fd);
    CHECK(!wait_until_ready(fd, 20));
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &log, NULL, &error) == 0, error);
    CHECK_OK(qmp_monitor_connect_start(mute, LONG, log_done, &log, NULL, &error) == 0, error);
    loop_until(reactor, fd, &log, 2);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
        loop_until(reactor, fd, &log, 3 + i);
    }
    CHECK(!wait_until_ready(fd, 20));
    /* A few turns an answer are enough: it never becomes readable for nothing. */
    CHECK(turns < 52 * 4 + 20);
    turns = 0;
    /* A deadline makes it readable when it is due, not before. */
    begin = now_ms();
    CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", 80, log_reply, &log, NULL, &error) != 0, error);
    loop_until(reactor, fd, &log, 53);
    CHECK(now_ms() - begin >= 79);
    CHECK_INT(log.entries[52].code, QMP_CODE_TIMEOUT);
    CHECK(turns < 20);
    CHECK_INT(callbacks, 53);
    /* A wake is something to do; an unread stream is not. */
    CHECK(!wait_until_ready(fd, 0));
    qmp_reactor_wake(reactor);
    CHECK(wait_until_ready(fd, LONG));
    CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
    CHECK(!wait_until_ready(fd, 0));
    log_clear(&log);
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
