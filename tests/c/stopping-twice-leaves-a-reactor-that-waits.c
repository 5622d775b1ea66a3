/* A stop from outside that only joins a thread which a callback has asked to end leaves nothing behind: turns wait for
 * their timeout again, and a new thread sleeps rather than spins. */
#include "harness.h"

#include <time.h>

static struct log log = LOG_INIT;

static void stop_inside(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    qmp_error *failure = NULL;

    CHECK_OK(qmp_reactor_stop(qmp_monitor_reactor(monitor), &failure) == 0, failure);
    log_reply(user_data, monitor, error, json, len);
}

static long long cpu_ms(void)
{
    struct timespec used;

    CHECK_INT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return used.tv_sec * 1000LL + used.tv_nsec / 1000000;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    int threads = count_threads();
    long long begin;

    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, stop_inside, &log, NULL, &error) != 0, error);
    log_wait(&log, 1);
    /* The thread has ended by itself before it is joined. */
    wait_for_threads(threads);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 60, &error), 0);
    CHECK_OK(true, error);
    CHECK(now_ms() - begin >= 59);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    begin = cpu_ms();
    pause_ms(400);
    CHECK(cpu_ms() - begin < 200);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
