/* With busy-poll, who waits polls before he sleeps: answers come, timeouts hold, a wake and a cancel end the wait. */
#include "harness.h"

static qmp_reactor *reactor;
static qmp_monitor *monitor;

static void *disturb_soon(void *unused)
{
    (void)unused;
    pause_ms(30);
    qmp_reactor_wake(reactor);
    return NULL;
}

static void *cancel_soon(void *unused)
{
    (void)unused;
    pause_ms(30);
    CHECK_INT(qmp_monitor_cancel(monitor, 0), 0);
    return NULL;
}

static void wakes_and_timeouts(const char *busy_poll)
{
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_error *error = NULL;
    pthread_t thread;
    long long begin;

    reactor = NEW_REACTOR();
    monitor = OPEN_ON(reactor, peer_target(silent));
    CHECK_OK(qmp_monitor_set(monitor, "busy-poll", busy_poll, &error) == 0, error);
    begin = now_ms();
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, 60, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    CHECK(now_ms() - begin >= 59);
    CHECK(now_ms() - begin < LONG / 4);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 60, &error), 0);
    CHECK(now_ms() - begin >= 59);
    begin = now_ms();
    CHECK_INT(pthread_create(&thread, NULL, disturb_soon, NULL), 0);
    CHECK_INT(qmp_reactor_turn(reactor, LONG, &error), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(now_ms() - begin < LONG / 4);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(silent);
}

static void answers(const char *busy_poll)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *echo = NEW(peer_target(peer));
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_set(echo, "busy-poll", busy_poll, &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(echo, LONG, &error) == 0, error);
    for (int i = 0; i < 50; i++) {
        qmp_buffer *reply = qmp_monitor_execute(echo, "query-status", NULL, LONG, &error);
        CHECK_OK(reply != NULL, error);
        qmp_buffer_free(reply);
    }
    qmp_monitor_free(echo);
    peer_end(peer);
}

int main(void)
{
    /* Ends in polling; ends in the sleep behind it. */
    static const char *const options[] = {"1000000", "2000", "0"};

    for (size_t i = 0; i < 3; i++) {
        wakes_and_timeouts(options[i]);
        answers(options[i]);
    }
    return 0;
}
