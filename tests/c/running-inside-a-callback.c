/* run, start, subscribe and the rest may be called inside every callback, of the same monitor too; turn may not. */
#include "harness.h"

static struct log log = LOG_INIT;
static qmp_reactor *another;
static int depth;

static void use_everything(qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "NEVER", &error);
    uint64_t id;

    CHECK_OK(events != NULL, error);
    CHECK_RUNS(monitor);
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), 0, &error), -1);
    CHECK_ERROR(error, STATE, NULL);
    CHECK_INT(qmp_reactor_turn(another, 0, &error), -1);
    CHECK_ERROR(error, STATE, NULL);
    id = qmp_monitor_subscribe(monitor, "NEVER", log_event, &log, NULL, &error);
    CHECK_OK(id != 0, error);
    CHECK_INT(qmp_monitor_unsubscribe(monitor, id), 0);
    CHECK(qmp_events_next(events, 10, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    qmp_events_free(events);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    qmp_buffer_free(qmp_monitor_greeting(monitor, &error));
    CHECK_INT(qmp_monitor_supports(monitor, "events"), 1);
    CHECK_INT(depth, 1);
}

static void on_reply(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)user_data;
    depth++;
    use_everything(monitor);
    depth--;
    log_reply(&log, monitor, error, json, len);
}

static void on_event(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    qmp_error *error = NULL;

    (void)user_data;
    depth++;
    if (strcmp(event, "LIBQMP_DISCONNECTED") != 0) {
        use_everything(monitor);
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, on_reply, NULL, NULL, &error) != 0, error);
    }
    depth--;
    log_event(&log, monitor, event, json, len);
}

static void on_done(void *user_data, qmp_monitor *monitor, const qmp_error *error)
{
    (void)user_data;
    CHECK(error == NULL);
    depth++;
    use_everything(monitor);
    depth--;
    log_done(&log, monitor, error);
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer) && peer_event(peer, "TICK", NULL)) {
        peer_echo(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_reactor *reactor = qmp_monitor_reactor(monitor);
    qmp_error *error = NULL;

    another = NEW_REACTOR();
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, on_event, NULL, NULL, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, on_done, NULL, NULL, &error) == 0, error);
    /* Connected (told twice: event and callback), TICK, and the answers to what the two events started. */
    log_turn(&log, reactor, 5);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, on_reply, NULL, NULL, &error) != 0, error);
    log_wait(&log, 6);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(log.entries[i].code, QMP_CODE_OK);
    }
    qmp_monitor_free(monitor);
    qmp_reactor_free(another);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
