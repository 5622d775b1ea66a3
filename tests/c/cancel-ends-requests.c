/* cancel ends one request, or with id 0 all of a monitor, blocked ones included; its callback comes exactly once. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    char ids[2][16];

    (void)arg;
    if (!peer_greet(peer)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (peer_request(peer) == NULL) {
            return;
        }
        snprintf(ids[i], sizeof ids[i], "%.15s", peer_id(peer));
    }
    peer_tell(peer);
    if (!peer_wait(peer)) {
        return;
    }
    /* Both answers come late: both requests are cancelled by now. */
    peer_printf(peer, "{\"return\": {\"late\": 1}, \"id\": %s}\r\n{\"return\": {\"late\": 2}, \"id\": %s}\r\n",
                ids[0], ids[1]);
    peer_echo(peer);
}

static void *blocked(void *monitor)
{
    qmp_error *error = NULL;

    CHECK(qmp_monitor_execute(monitor, "blocked", NULL, QMP_TIMEOUT_FOREVER, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, CANCELED, "blocked");
    return NULL;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_reactor *reactor = qmp_monitor_reactor(monitor);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    uint64_t id = qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, log_free, &error);
    uint64_t next;
    pthread_t thread;

    CHECK_OK(id != 0, error);
    CHECK_INT(qmp_monitor_cancel(monitor, id + 12345678), -1);
    CHECK_INT(qmp_monitor_cancel(monitor, id), 0);
    CHECK_INT(log_count(&log), 0);
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_CANCELED);
    CHECK_INT(log.entries[0].delivery, QMP_DELIVERY_UNKNOWN);
    CHECK_INT(log_freed(&log), 1);
    CHECK_INT(qmp_monitor_cancel(monitor, id), -1);
    /* Everything: with nothing open that is no error. */
    CHECK_INT(qmp_monitor_cancel(monitor, 0), 0);
    CHECK_INT(pthread_create(&thread, NULL, blocked, monitor), 0);
    peer_heard(peer);
    CHECK_INT(qmp_monitor_cancel(monitor, 0), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    peer_go(peer);
    /* The link goes on, the late answers are nobody's. */
    next = qmp_monitor_start(monitor, "{\"execute\": \"echo\", \"arguments\": {\"n\": 5}}", LONG, log_reply, &log,
                             log_free, &error);
    CHECK_OK(next > id, error);
    log_turn(&log, reactor, 2);
    CHECK_STR(json_get(log.entries[1].json, "return.n"), "5");
    CHECK_INT(qmp_monitor_cancel(monitor, next), -1);
    CHECK_INT(qmp_reactor_turn(reactor, 20, &error), 0);
    CHECK_INT(log_freed(&log), 2);
    log_clear(&log);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
