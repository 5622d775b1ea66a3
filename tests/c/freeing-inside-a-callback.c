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
    if (strcmp(event, "TICK") == 0) {
        freed_in++;
        qmp_monitor_free(monitor);
    }
    (void)log, (void)json, (void)len;
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

static void in_each_kind(qmp_reactor *reactor, const char *target, bool own_reactor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_monitor *monitor;

    monitor = own_reactor ? OPEN(target) : OPEN_ON(reactor, target);
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, free_on_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"y\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    turn_until_freed(own_reactor ? qmp_monitor_reactor(monitor) : reactor, &log, 3);
    CHECK_INT(log_count(&log), 2);
    CHECK_INT(log.entries[1].code, QMP_CODE_CANCELED);

    monitor = own_reactor ? OPEN(target) : OPEN_ON(reactor, target);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, free_on_reply, &log, log_free, &error) != 0, error);
    turn_until_freed(own_reactor ? qmp_monitor_reactor(monitor) : reactor, &log, 4);
    CHECK_INT(log.entries[2].code, QMP_CODE_OK);

    monitor = own_reactor ? NEW(target) : NEW_ON(reactor, target);
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, free_on_done, &log, log_free, &error) == 0, error);
    turn_until_freed(own_reactor ? qmp_monitor_reactor(monitor) : reactor, &log, 5);
    CHECK_INT(log_count(&log), 4);
    CHECK_INT(log.entries[3].code, QMP_CODE_OK);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_error *error = NULL;

    in_each_kind(reactor, peer_target(peer), false);
    CHECK_INT(freed_in, 3);
    CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
