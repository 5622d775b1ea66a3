/* An event that arrives while qmp_monitor_free runs the callbacks of another monitor in its own thread is told when they
 * have ended. */
#include "harness.h"

static struct log log = LOG_INIT, events = LOG_INIT;
static sem_t ticked;
static struct peer *ticking;

static void on_event(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    log_event(user_data, monitor, event, json, len);
    if (strcmp(event, "TICK") == 0)
        sem_post(&ticked);
}

static void on_canceled(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    int before = log_count(&events);
    peer_go(ticking);
    // Long enough for the reactor's thread to have the event, and to wait with it: callbacks run one at a time.
    pause_ms(200);
    CHECK_INT(log_count(&events), before);
    log_reply(user_data, monitor, error, json, len);
}

int main(void)
{
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_error *error = NULL;

    ticking = peer_start(PEER_UNIX, script_tick, NULL);
    sem_init(&ticked, 0, 0);
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(ticking));
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, on_event, &events, NULL, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    for (int i = 0; i < 3; i++) {
        qmp_monitor *mute = OPEN_ON(reactor, peer_target(silent));
        CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", LONG, on_canceled, &log, log_free, &error) != 0, error);
        qmp_monitor_free(mute);
        CHECK_INT(log_freed(&log), i + 1);
        wait_for(&ticked);
    }
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    log_clear(&events);
    peer_end(ticking);
    peer_end(silent);
    return 0;
}
