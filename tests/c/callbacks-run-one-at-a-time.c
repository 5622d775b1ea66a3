/* Callbacks of one reactor run one at a time, also those that qmp_monitor_free runs in its own thread beside a reactor's
 * thread that is in a callback of another monitor. */
#include "harness.h"

static struct log log = LOG_INIT;
static sem_t entered;
static int running;

static void enter(void)
{
    CHECK_INT(__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST), 1);
    pause_ms(30);
    CHECK_INT(__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST), 0);
}

static void slow_event(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    if (strcmp(event, "TICK") == 0) {
        sem_post(&entered);
        enter();
    }
    log_event(user_data, monitor, event, json, len);
}

static void slow_reply(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    enter();
    log_reply(user_data, monitor, error, json, len);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_tick, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    struct log events = LOG_INIT;
    qmp_error *error = NULL;

    sem_init(&entered, 0, 0);
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, slow_event, &events, NULL, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    for (int i = 0; i < 5; i++) {
        qmp_monitor *mute = OPEN_ON(reactor, peer_target(silent));
        CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", LONG, slow_reply, &log, log_free, &error) != 0, error);
        peer_go(peer);
        wait_for(&entered);
        peer_go(peer);
        qmp_monitor_free(mute);
        CHECK_INT(log_count(&log), i + 1);
        CHECK_INT(log_freed(&log), i + 1);
        CHECK_INT(log.entries[i].code, QMP_CODE_CANCELED);
        wait_for(&entered);
    }
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    log_clear(&events);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
