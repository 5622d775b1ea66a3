/* Events before the greeting, inside the handshake and right behind it reach those who subscribed before connecting. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_accept(peer) && peer_event(peer, "BEFORE_GREETING", NULL) && peer_send(peer, GREETING("")) &&
           peer_event(peer, "BEHIND_GREETING", NULL) && peer_expect(peer, "qmp_capabilities") &&
           peer_event(peer, "BEFORE_ANSWER", "{\"n\": 1}") && peer_answer(peer, "{}") &&
           peer_event(peer, "BEHIND_ANSWER", NULL)) {
        peer_echo(peer);
    }
}

static const char *const wanted[] = {"BEFORE_GREETING", "BEHIND_GREETING", "BEFORE_ANSWER", "BEHIND_ANSWER"};

/* Where LIBQMP_CONNECTED comes among them is left open, as long as it is not behind the last. */
static int check_order(const char *event, int at)
{
    char quoted[40];

    if (strcmp(event, "\"LIBQMP_CONNECTED\"") == 0) {
        CHECK(at <= 3);
        return at;
    }
    snprintf(quoted, sizeof quoted, "\"%s\"", wanted[at]);
    CHECK_STR(event, quoted);
    return at + 1;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    for (int round = 0; round < 2; round++) {
        int in_stream = 0;
        int in_callback = 0;
        CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
        CHECK_RUNS(monitor);
        for (int i = 0; i < 5; i++) {
            qmp_buffer *event = qmp_events_next(events, 0, &error);
            CHECK_OK(event != NULL, error);
            in_stream = check_order(json_get(qmp_buffer_data(event), "event"), in_stream);
            qmp_buffer_free(event);
        }
        log_turn(&log, qmp_monitor_reactor(monitor), 5);
        for (int i = 0; i < 5; i++) {
            in_callback = check_order(json_get(log.entries[i].json, "event"), in_callback);
        }
        CHECK_INT(in_stream, 4);
        CHECK_INT(in_callback, 4);
        CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
        log_turn(&log, qmp_monitor_reactor(monitor), 6);
        log_clear(&log);
        qmp_buffer_free(qmp_events_next(events, 0, NULL));
    }
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
