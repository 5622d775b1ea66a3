/* A stream that nobody reads and callbacks that nobody turns for: replies keep coming, memory stays bounded. */
#include "harness.h"

#define BATCH 1000

static void script(struct peer *peer, void *arg)
{
    static const char event[] =
        "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"FLOOD\", "
        "\"data\": {\"t\": \"0123456789012345678901234567890\"}}\r\n";
    size_t len = strlen(event);
    char *batch = malloc(BATCH * len + 1);

    (void)arg;
    CHECK(batch != NULL);
    for (int i = 0; i < BATCH; i++) {
        memcpy(batch + (size_t)i * len, event, len);
    }
    batch[BATCH * len] = '\0';
    if (peer_greet(peer)) {
        while (peer_request(peer) != NULL) {
            peer_send(peer, batch);
            peer_answer(peer, "{}");
        }
    }
    free(batch);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    long before = resident_kib();
    int rounds = amount(200, 20);
    int n = 0;
    qmp_buffer *event;

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_set(monitor, "max-events", "100", &error) == 0, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    for (int i = 0; i < rounds; i++) {
        CHECK_RUNS(monitor);
    }
    if (!is_slow()) {
        CHECK(resident_kib() - before < 8 * 1024);
    }
    while ((event = qmp_events_next(events, 0, NULL)) != NULL) {
        if (++n == 102) {
            CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"LIBQMP_EVENTS_LOST\"");
            CHECK_INT(atoi(json_get(qmp_buffer_data(event), "data.count")), rounds * BATCH - 100);
        }
        qmp_buffer_free(event);
    }
    CHECK_INT(n, 102);
    log_turn(&log, qmp_monitor_reactor(monitor), 102);
    CHECK_INT(log_find(&log, "LIBQMP_EVENTS_LOST"), 101);
    CHECK_INT(atoi(json_get(log.entries[101].json, "data.count")), rounds * BATCH - 100);
    log_clear(&log);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
