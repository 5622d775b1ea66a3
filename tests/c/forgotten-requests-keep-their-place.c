/* With oob, requests that timed out keep their place among the eight until their late replies come; the rest waits. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    char ids[8][16];

    (void)arg;
    if (!peer_greet_oob(peer)) {
        return;
    }
    for (int i = 0; i < 8; i++) {
        if (peer_request(peer) == NULL) {
            return;
        }
        snprintf(ids[i], sizeof ids[i], "%.15s", peer_id(peer));
    }
    if (!peer_wait(peer)) {
        return;
    }
    CHECK_INT(peer_silence(peer, 30), 0);
    for (int i = 0; i < 8; i++) {
        peer_printf(peer, "{\"return\": {\"late\": %d}, \"id\": %s}\r\n", i, ids[i]);
    }
    peer_echo(peer);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_buffer *reply;

    for (int i = 0; i < 8; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"slow\"}", 50, log_reply, &log, NULL, &error) != 0, error);
    }
    log_turn(&log, qmp_monitor_reactor(monitor), 8);
    for (int i = 0; i < 8; i++) {
        CHECK_INT(log.entries[i].code, QMP_CODE_TIMEOUT);
        CHECK_INT(log.entries[i].delivery, QMP_DELIVERY_UNKNOWN);
    }
    /* No place for a ninth: it was never written, and the message says how many are ahead. */
    CHECK(qmp_monitor_execute(monitor, "ninth", NULL, 50, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, TIMEOUT, "8");
    peer_go(peer);
    reply = qmp_monitor_execute(monitor, "echo", "{\"n\": 9}", LONG, &error);
    CHECK_OK(reply != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(reply), "n"), "9");
    qmp_buffer_free(reply);
    log_clear(&log);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
