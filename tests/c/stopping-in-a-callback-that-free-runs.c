/* A callback that qmp_monitor_free runs may stop the reactor: that only asks, because the reactor's thread may be waiting
 * for this very callback. */
#include "harness.h"

static struct log log = LOG_INIT;
static struct peer *peer;
static sem_t entered;

static void slow_event(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)user_data;
    (void)monitor;
    CHECK_INT(strlen(json), len);
    if (strcmp(event, "TICK") == 0) {
        sem_post(&entered);
        pause_ms(30);
    }
}

static void stop_inside(void *reactor, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    qmp_error *failure = NULL;

    /* Another event comes meanwhile: the reactor's thread has a callback to run, and has to wait with it. */
    peer_go(peer);
    pause_ms(30);
    CHECK_OK(qmp_reactor_stop(reactor, &failure) == 0, failure);
    log_reply(&log, monitor, error, json, len);
}

int main(void)
{
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor, *mute;
    qmp_error *error = NULL;
    int threads;

    sem_init(&entered, 0, 0);
    peer = peer_start(PEER_UNIX, script_tick, NULL);
    monitor = OPEN_ON(reactor, peer_target(peer));
    mute = OPEN_ON(reactor, peer_target(silent));
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, slow_event, NULL, NULL, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", LONG, stop_inside, reactor, NULL, &error) != 0, error);
    threads = count_threads();
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    peer_go(peer);
    wait_for(&entered);
    qmp_monitor_free(mute);
    CHECK_INT(log_count(&log), 1);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    wait_for_threads(threads);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
