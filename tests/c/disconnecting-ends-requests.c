/* disconnect ends what is open with DISCONNECTED, and a connect that is under way with CANCELED,
 * without any waiting. */
#include "harness.h"

static sem_t begun;

static void *blocked_in_run(void *monitor)
{
    qmp_error *error = NULL;

    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, QMP_TIMEOUT_FOREVER, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, DISCONNECTED, "query-status");
    return NULL;
}

static void *blocked_in_connect(void *monitor)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK_INT(qmp_monitor_connect(monitor, QMP_TIMEOUT_FOREVER, &error), -1);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer) && peer_request(peer) != NULL && peer_request(peer) != NULL) {
        peer_tell(peer);
        peer_drain(peer);
    }
}

static void requests(qmp_monitor *monitor, struct peer *peer)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    pthread_t thread;

    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    CHECK_INT(pthread_create(&thread, NULL, blocked_in_run, monitor), 0);
    peer_heard(peer);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    CHECK_INT(pthread_join(thread, NULL), 0);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_DISCONNECTED);
    CHECK_INT(log.entries[0].delivery, QMP_DELIVERY_UNKNOWN);
    CHECK_INT(log_freed(&log), 1);
    log_clear(&log);
}

static void connects(void)
{
    qmp_monitor *monitor = NEW("unix:@libqmp-test-nobody-listens-here");
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    long long end = now_ms() + LONG;
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, blocked_in_connect, monitor), 0);
    wait_for(&begun);
    while (qmp_monitor_state(monitor) != QMP_STATE_CONNECTING) {
        CHECK(now_ms() < end);
        pause_ms(1);
    }
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &log, log_free, &error) == 0, error);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_CANCELED);
    CHECK_INT(log_freed(&log), 1);
    log_clear(&log);
    qmp_monitor_free(monitor);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));

    sem_init(&begun, 0, 0);
    for (int i = 0; i < 3; i++) {
        requests(monitor, peer);
        connects();
    }
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
