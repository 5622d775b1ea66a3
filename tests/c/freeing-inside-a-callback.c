/* A monitor may be freed in each of its own callbacks; what is open ends, and free callbacks run, in a later turn. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        if (peer_request(peer) != NULL) {
            peer_event(peer, "TICK", NULL);
            peer_event(peer, "TICK", NULL);
            peer_answer(peer, "{}");
            peer_drain(peer);
        }
    }
}

static int freed_in;   /* how many callbacks have freed their monitor */

static void free_on_event(void *log, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)log, (void)json, (void)len;
    if (strcmp(event, "TICK") == 0 && freed_in == 0) {
        freed_in++;
        qmp_monitor_free(monitor);
    }
}

static void free_on_reply(void *log, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    log_reply(log, monitor, error, json, len);
    freed_in++;
    qmp_monitor_free(monitor);
}

static void free_on_done(void *log, qmp_monitor *monitor, const qmp_error *error)
{
    log_done(log, monitor, error);
    freed_in++;
    qmp_monitor_free(monitor);
}

static int replies(struct log *log)
{
    int count = 0;

    for (int i = 0; i < log_count(log); i++) {
        count += log->entries[i].name == NULL;
    }
    return count;
}

static void turn_until_freed(qmp_reactor *reactor, struct log *log, int freed)
{
    long long end = now_ms() + LONG;
    qmp_error *error = NULL;

    while (log_freed(log) < freed) {
        CHECK_OK(qmp_reactor_turn(reactor, 100, &error) >= 0, error);
        CHECK(now_ms() < end);
    }
    CHECK_INT(log_freed(log), freed);
}

/* Freed in the first of two events; behind them come an answer and a request that is still open. */
static void in_an_event(qmp_reactor *reactor, const char *target)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_monitor *monitor = OPEN_ON(reactor, target);

    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, free_on_event, NULL, NULL, &error) != 0, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, "NEVER", log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"y\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    turn_until_freed(reactor, &log, 3);
    /* Each request got its callback; what LIBQMP_* events the other subscription still saw is left open. */
    CHECK_INT(replies(&log), 2);
    CHECK_INT(freed_in, 1);
    log_clear(&log);
}

static void in_a_reply(qmp_reactor *reactor, const char *target)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_monitor *monitor = OPEN_ON(reactor, target);

    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, free_on_reply, &log, log_free, &error) != 0,
             error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"y\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    turn_until_freed(reactor, &log, 2);
    CHECK_INT(log_count(&log), 2);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK_INT(log.entries[1].code, QMP_CODE_CANCELED);
    CHECK_INT(freed_in, 2);
    log_clear(&log);
}

static void when_connected(qmp_reactor *reactor, const char *target)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_monitor *monitor = NEW_ON(reactor, target);

    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, free_on_done, &log, log_free, &error) == 0, error);
    turn_until_freed(reactor, &log, 1);
    CHECK_INT(log_count(&log), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK_INT(freed_in, 3);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_error *error = NULL;

    in_an_event(reactor, peer_target(peer));
    in_a_reply(reactor, peer_target(peer));
    when_connected(reactor, peer_target(peer));
    CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
    CHECK_OK(true, error);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
