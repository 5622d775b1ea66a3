/* After a loss a callback connects again, blocking or not; subscriptions and streams survive. */
#include "harness.h"

#define ROUNDS 6

static struct log dones = LOG_INIT;
static int rounds;

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer) && peer_event(peer, "TICK", NULL) && peer_request(peer) != NULL) {
        peer_answer(peer, "{}");
    }
}

static void connect_again(void *log, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    qmp_error *error = NULL;

    log_event(log, monitor, event, json, len);
    if (strcmp(event, "TICK") == 0) {
        /* The peer closes behind the answer. */
        CHECK_RUNS(monitor);
    } else if (strcmp(event, "LIBQMP_DISCONNECTED") == 0 && ++rounds < ROUNDS) {
        if (rounds % 2 == 0) {
            CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
        } else {
            CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &dones, log_free, &error) == 0, error);
        }
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "TICK", &error);
    int ticks = 0;

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, "TICK", connect_again, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 3 * ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_STR(log.entries[3 * i].name, "LIBQMP_CONNECTED");
        CHECK_STR(log.entries[3 * i + 1].name, "TICK");
        CHECK_STR(log.entries[3 * i + 2].name, "LIBQMP_DISCONNECTED");
    }
    CHECK_INT(log_count(&dones), ROUNDS / 2);
    CHECK_INT(log_freed(&dones), ROUNDS / 2);
    for (qmp_buffer *event; (event = qmp_events_next(events, 0, NULL)) != NULL; qmp_buffer_free(event)) {
        ticks += strstr(qmp_buffer_data(event), "TICK") != NULL;
    }
    CHECK_INT(ticks, ROUNDS);
    log_clear(&log);
    log_clear(&dones);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
