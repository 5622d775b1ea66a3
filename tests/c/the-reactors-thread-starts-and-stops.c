/* start and stop of the library's thread: once each, from outside and from callbacks; it takes no signals. */
#include "harness.h"

#include <signal.h>

static struct log log = LOG_INIT;

static void start_x(qmp_monitor *monitor, qmp_reply_cb callback)
{
    qmp_error *error = NULL;
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, callback, &log, NULL, &error) != 0, error);
}

static void stop_inside(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    qmp_error *failure = NULL;

    CHECK_OK(qmp_reactor_stop(qmp_monitor_reactor(monitor), &failure) == 0, failure);
    log_reply(user_data, monitor, error, json, len);
}

static void free_reactor_inside(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json,
                                size_t len)
{
    qmp_reactor_free(qmp_monitor_reactor(monitor));
    log_reply(user_data, monitor, error, json, len);
}

static void takes_no_signals(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json,
                             size_t len)
{
    sigset_t blocked;

    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    CHECK(sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGTERM) == 1);
    CHECK(sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGCHLD) == 1);
    log_reply(user_data, monitor, error, json, len);
}

static void from_outside(qmp_reactor *reactor, qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    int threads = count_threads();

    /* Without a thread, stop does nothing. */
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    for (int round = 0; round < 5; round++) {
        CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
        CHECK_INT(count_threads(), threads + 1);
        CHECK_INT(qmp_reactor_start(reactor, &error), -1);
        CHECK_ERROR(error, STATE, NULL);
        CHECK_INT(qmp_reactor_turn(reactor, 0, &error), -1);
        CHECK_ERROR(error, STATE, NULL);
        start_x(monitor, takes_no_signals);
        log_wait(&log, round + 1);
        CHECK(!pthread_equal(log.entries[round].thread, pthread_self()));
        CHECK_RUNS(monitor);
        CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
        wait_for_threads(threads);
    }
    start_x(monitor, log_reply);
    log_turn(&log, reactor, 6);
}

static void from_callbacks(qmp_reactor *reactor, qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    int threads = count_threads();

    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    start_x(monitor, stop_inside);
    log_wait(&log, 7);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    wait_for_threads(threads);
    start_x(monitor, log_reply);
    log_turn(&log, reactor, 8);
    /* The thread that is detached ends with its turn; the monitor keeps the reactor. */
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    start_x(monitor, free_reactor_inside);
    log_wait(&log, 9);
    wait_for_threads(threads);
    start_x(monitor, log_reply);
    log_turn(&log, qmp_monitor_reactor(monitor), 10);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));

    from_outside(reactor, monitor);
    from_callbacks(reactor, monitor);
    qmp_monitor_free(monitor);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
