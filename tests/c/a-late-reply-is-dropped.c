/* A request that timed out is only forgotten: its late reply is nobody's, and TIMEOUT says how many are ahead. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    char ids[3][16];

    (void)arg;
    if (!peer_greet(peer)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        if (peer_request(peer) == NULL) {
            return;
        }
        snprintf(ids[i], sizeof ids[i], "%.15s", peer_id(peer));
    }
    if (!peer_wait(peer) || peer_request(peer) == NULL) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        peer_printf(peer, "{\"return\": {\"late\": %d}, \"id\": %s}\r\n", i, ids[i]);
    }
    peer_answer(peer, "{\"right\": true}");
    peer_echo(peer);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;
    qmp_buffer *reply;

    for (int i = 0; i < 3; i++) {
        CHECK(qmp_monitor_execute(monitor, "slow", NULL, 30, &error) == NULL);
        CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
        if (i == 2) {
            CHECK_HAS(qmp_error_message(error), "2");
        }
        CHECK_ERROR(error, TIMEOUT, "slow");
    }
    peer_go(peer);
    reply = qmp_monitor_execute(monitor, "fast", NULL, LONG, &error);
    CHECK_OK(reply != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(reply), "right"), "true");
    qmp_buffer_free(reply);
    for (int i = 0; i < 10; i++) {
        CHECK_RUNS(monitor);
    }
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
