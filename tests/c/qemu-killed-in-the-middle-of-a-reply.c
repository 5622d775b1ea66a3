/* QEMU dies while it answers: whoever did not get a whole reply gets DISCONNECTED, each exactly once. */
#include "harness.h"

#define REQUESTS 12

static void half_a_reply(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_expect(peer, "query-status")) {
        peer_send(peer, "{\"return\": {\"status\": \"run");
    }
}

static void killed(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int lost = 0;

    for (int i = 0; i < REQUESTS; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"query-qmp-schema\"}", LONG, log_reply, &log, log_free,
                                   &error) != 0, error);
    }
    /* Until QEMU has answered the first, and is inside the others: they are larger than a socket's buffer. */
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    qemu_kill(&qemu);
    log_turn(&log, qmp_monitor_reactor(monitor), REQUESTS);
    for (int i = 0; i < REQUESTS; i++) {
        CHECK(log.entries[i].code == QMP_CODE_OK || log.entries[i].code == QMP_CODE_DISCONNECTED);
        lost += log.entries[i].code == QMP_CODE_DISCONNECTED;
    }
    CHECK(lost > 0);
    CHECK_INT(log_freed(&log), REQUESTS);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    log_clear(&log);
    qmp_monitor_free(monitor);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, half_a_reply, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, DISCONNECTED, peer_target(peer));
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    qmp_monitor_free(monitor);
    peer_end(peer);
    killed();
    return 0;
}
