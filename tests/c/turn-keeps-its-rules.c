/* turn returns the number of callbacks, 0 after its timeout or a wake; a wake before it ends it; -1 is misuse only. */
#include "harness.h"

static qmp_reactor *reactor;
static sem_t begun;

static void *wake_soon(void *unused)
{
    (void)unused;
    wait_for(&begun);
    pause_ms(30);
    qmp_reactor_wake(reactor);
    return NULL;
}

static void *turn_too(void *unused)
{
    qmp_error *error = NULL;
    long long begin = now_ms();

    /* Two turns at once: one has the role, the other waits its timeout for it. */
    (void)unused;
    sem_post(&begun);
    CHECK_INT(qmp_reactor_turn(reactor, 100, &error), 0);
    CHECK_OK(true, error);
    CHECK(now_ms() - begin >= 99);
    return NULL;
}

static void waits_and_wakes(void)
{
    qmp_error *error = NULL;
    pthread_t thread;
    long long begin = now_ms();

    CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
    CHECK(now_ms() - begin < patience(1000));
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 50, &error), 0);
    CHECK(now_ms() - begin >= 49);
    /* A wake before a turn ends that turn, and only that. */
    qmp_reactor_wake(reactor);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, LONG, &error), 0);
    CHECK(now_ms() - begin < patience(1000));
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 50, &error), 0);
    CHECK(now_ms() - begin >= 49);
    CHECK_INT(pthread_create(&thread, NULL, wake_soon, NULL), 0);
    sem_post(&begun);
    CHECK_INT(qmp_reactor_turn(reactor, QMP_TIMEOUT_FOREVER, &error), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_create(&thread, NULL, turn_too, NULL), 0);
    wait_for(&begun);
    CHECK_INT(qmp_reactor_turn(reactor, 100, &error), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_OK(true, error);
}

static void runs_what_is_queued(qmp_monitor *monitor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int sum = 0;
    int n;

    for (int i = 0; i < 20; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    }
    while (log_count(&log) < 20) {
        n = qmp_reactor_turn(reactor, LONG, &error);
        CHECK_OK(n >= 0, error);
        sum += n;
    }
    CHECK_INT(sum, 20);
    /* A blocking call reads the answer to another request; the turn then finds it queued and does not wait. */
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    CHECK_RUNS(monitor);
    CHECK_INT(log_count(&log), 20);
    CHECK_INT(qmp_reactor_turn(reactor, QMP_TIMEOUT_FOREVER, &error), 1);
    CHECK_INT(log_count(&log), 21);
    log_clear(&log);
}

/* A blocking call does not eat a wake that is meant for the next turn. */
static void blocking_calls_leave_wakes(qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    long long begin;

    qmp_reactor_wake(reactor);
    CHECK_RUNS(monitor);
    CHECK_RUNS(monitor);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, LONG, &error), 0);
    CHECK(now_ms() - begin < patience(1000));
}

static void failures_are_the_monitors(qmp_monitor *mute, struct peer *peer)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    peer_end(peer);
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_DISCONNECTED);
    CHECK_INT(qmp_reactor_turn(reactor, QMP_TIMEOUT_DEFAULT, &error), -1);
    CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_monitor *monitor, *mute;

    sem_init(&begun, 0, 0);
    reactor = NEW_REACTOR();
    waits_and_wakes();
    monitor = OPEN_ON(reactor, peer_target(peer));
    mute = OPEN_ON(reactor, peer_target(silent));
    runs_what_is_queued(monitor);
    blocking_calls_leave_wakes(monitor);
    failures_are_the_monitors(mute, silent);
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
