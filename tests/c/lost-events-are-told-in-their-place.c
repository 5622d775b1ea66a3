/* What does not fit into a queue is dropped, counted and told in its place; our own events always have room. */
#include "harness.h"

#define SENT 50

static void script(struct peer *peer, void *arg)
{
    char data[32];

    (void)arg;
    while (peer_greet(peer)) {
        while (peer_request(peer) != NULL) {
            for (int i = 0; i < SENT; i++) {
                snprintf(data, sizeof data, "{\"n\": %d}", i);
                peer_event(peer, i % 2 == 0 ? "EVEN" : "ODD", data);
            }
            peer_answer(peer, "{}");
        }
    }
}

/* `kept` events of the burst, then the number of those that were lost. */
static void check_burst(const struct entry *entries, int kept, const char *lost)
{
    char text[16];

    for (int i = 0; i < kept; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK_STR(json_get(entries[i].json, "data.n"), text);
    }
    CHECK_STR(entries[kept].name, "LIBQMP_EVENTS_LOST");
    CHECK_STR(json_get(entries[kept].json, "event"), "\"LIBQMP_EVENTS_LOST\"");
    CHECK_STR(json_get(entries[kept].json, "data.count"), lost);
    CHECK(json_get(entries[kept].json, "timestamp.seconds")[0] != '\0');
}

static void in_callbacks(qmp_monitor *monitor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    uint64_t id = qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error);

    CHECK_OK(id != 0, error);
    CHECK_RUNS(monitor);
    log_turn(&log, qmp_monitor_reactor(monitor), 11);
    check_burst(log.entries, 10, "40");
    CHECK_RUNS(monitor);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 23);
    check_burst(log.entries + 11, 10, "40");
    CHECK_STR(log.entries[22].name, "LIBQMP_DISCONNECTED");
    CHECK_INT(qmp_monitor_unsubscribe(monitor, id), 0);
    log_clear(&log);
}

static void next_into(qmp_events *events, struct entry *entry)
{
    static const char *const names[] = {"LIBQMP_EVENTS_LOST", "EVEN"};
    qmp_error *error = NULL;
    qmp_buffer *event = qmp_events_next(events, 0, &error);

    CHECK_OK(event != NULL, error);
    entry->json = strdup(qmp_buffer_data(event));
    entry->name = strdup(names[strstr(entry->json, names[0]) == NULL]);
    qmp_buffer_free(event);
}

static void in_streams(qmp_monitor *monitor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    qmp_events *even = qmp_monitor_events(monitor, "EVEN", &error);

    CHECK_OK(events != NULL && even != NULL, error);
    CHECK_RUNS(monitor);
    CHECK_RUNS(monitor);
    for (log.count = 0; log.count < 11; log.count++) {
        next_into(events, &log.entries[log.count]);
    }
    /* The second burst did not fit at all: one loss, told once. */
    check_burst(log.entries, 10, "90");
    log_clear(&log);
    for (log.count = 0; log.count < 11; log.count++) {
        next_into(even, &log.entries[log.count]);
    }
    CHECK_STR(json_get(log.entries[9].json, "data.n"), "18");
    CHECK_STR(json_get(log.entries[10].json, "data.count"), "40");
    CHECK(qmp_events_next(events, 0, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    log_clear(&log);
    qmp_events_free(events);
    qmp_events_free(even);
}

static void by_bytes(qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    struct log log = LOG_INIT;

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_set(monitor, "max-events", "1000", &error) == 0, error);
    CHECK_OK(qmp_monitor_set(monitor, "max-event-bytes", "300", &error) == 0, error);
    CHECK_RUNS(monitor);
    do {
        next_into(events, &log.entries[log.count++]);
    } while (strcmp(log.entries[log.count - 1].name, "LIBQMP_EVENTS_LOST") != 0);
    /* An event of the script has 86 or 87 bytes, so three fit. */
    CHECK_INT(log.count, 4);
    check_burst(log.entries, 3, "47");
    log_clear(&log);
    qmp_events_free(events);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_set(monitor, "max-events", "10", &error) == 0, error);
    in_callbacks(monitor);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    in_streams(monitor);
    by_bytes(monitor);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
