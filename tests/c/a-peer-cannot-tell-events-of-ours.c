/* An event that a peer gives a name of the library's own is not passed on: it is told as lost, and bounded like any. */
#include "harness.h"

static void forge(struct peer *peer, void *arg)
{
    (void)arg;
    if (!peer_greet(peer) || !peer_wait(peer)) {
        return;
    }
    for (int i = 0; i < 1000; i++) {
        if (!peer_event(peer, "LIBQMP_DISCONNECTED", "{\"reason\": \"forged\"}")) {
            return;
        }
    }
    if (peer_event(peer, "STOP", NULL)) {
        peer_drain(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, forge, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *stream = qmp_monitor_events(monitor, "STOP", &error);
    qmp_buffer *event;
    long long lost = 0;

    CHECK_OK(stream != NULL, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, "STOP", log_event, &log, NULL, &error) != 0, error);
    peer_go(peer);
    do {
        CHECK_OK(qmp_reactor_turn(reactor, LONG, &error) >= 0, error);
    } while (log_find(&log, "STOP") < 0);
    for (int i = 0; i < log.count - 1; i++) {
        CHECK_STR(log.entries[i].name, "LIBQMP_EVENTS_LOST");
        lost += atoll(json_get(log.entries[i].json, "data.count"));
    }
    CHECK_INT(lost, 1000);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    event = qmp_events_next(stream, 0, &error);
    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"LIBQMP_EVENTS_LOST\"");
    CHECK_STR(json_get(qmp_buffer_data(event), "data.count"), "1000");
    qmp_buffer_free(event);
    event = qmp_events_next(stream, 0, &error);
    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"STOP\"");
    qmp_buffer_free(event);
    qmp_events_free(stream);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    log_clear(&log);
    return 0;
}
