/* With oob at most 8 in-band commands are on the wire; exec-oob overtakes those that wait; "oob" can be turned off. */
#include "harness.h"

#define IN_BAND 20

static void script(struct peer *peer, void *arg)
{
    char ids[IN_BAND][16];
    char commands[IN_BAND][128];

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
    /* No ninth, whatever is queued. */
    CHECK_INT(peer_silence(peer, 50), 0);
    peer_tell(peer);
    /* The out-of-band command comes at once, past twelve that wait, and is answered first. */
    CHECK_HAS(peer_request(peer), "exec-oob");
    peer_answer(peer, "{\"oob\": true}");
    if (!peer_wait(peer)) {
        return;
    }
    /* Every answer makes room for one more, in the order in which they were started. */
    for (int i = 0; i < IN_BAND; i++) {
        peer_printf(peer, "{\"return\": {\"n\": %d}, \"id\": %s}\r\n", i, ids[i]);
        if (i + 8 < IN_BAND) {
            snprintf(commands[i], sizeof commands[i], "\"n\":%d", i + 8);
            CHECK_HAS(peer_request(peer), commands[i]);
            snprintf(ids[i + 8], sizeof ids[i + 8], "%.15s", peer_id(peer));
        }
    }
    peer_echo(peer);
}

static void overtakes(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_buffer *reply;
    char request[100];

    CHECK_INT(qmp_monitor_supports(monitor, "oob"), 1);
    for (int i = 0; i < IN_BAND; i++) {
        snprintf(request, sizeof request, "{\"execute\": \"x\", \"arguments\": {\"n\":%d}}", i);
        CHECK_OK(qmp_monitor_start(monitor, request, LONG, log_reply, &log, log_free, &error) != 0, error);
    }
    peer_heard(peer);
    reply = RUN(monitor, "{\"exec-oob\": \"now\", \"id\": \"o\"}");
    CHECK_STR(json_get(qmp_buffer_data(reply), "return.oob"), "true");
    CHECK_STR(json_get(qmp_buffer_data(reply), "id"), "\"o\"");
    qmp_buffer_free(reply);
    CHECK_INT(log_count(&log), 0);
    peer_go(peer);
    log_turn(&log, qmp_monitor_reactor(monitor), IN_BAND);
    for (int i = 0; i < IN_BAND; i++) {
        CHECK_INT(atoi(json_get(log.entries[i].json, "return.n")), i);
    }
    log_clear(&log);
    qmp_monitor_free(monitor);
    peer_end(peer);
}

static void on_a_real_qemu(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    qmp_error *error = NULL;

    CHECK_INT(qmp_monitor_supports(monitor, "oob"), 1);
    qmp_buffer_free(RUN(monitor, "{\"exec-oob\": \"query-yank\"}"));
    CHECK(qmp_monitor_run(monitor, "{\"exec-oob\": \"query-status\", \"id\": 5}", LONG, &error) == NULL);
    CHECK_STR(json_get(qmp_error_reply(error), "id"), "5");
    CHECK_ERROR(error, COMMAND, NULL);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    CHECK_OK(qmp_monitor_set(monitor, "oob", "off", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(qmp_monitor_supports(monitor, "oob"), 0);
    CHECK(qmp_monitor_run(monitor, "{\"exec-oob\": \"query-yank\"}", LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, UNSUPPORTED, NULL);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
}

int main(void)
{
    overtakes();
    on_a_real_qemu();
    return 0;
}
