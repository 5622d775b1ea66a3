/* A peer that accepts and says nothing, at whatever point, costs a deadline and no more. */
#include "harness.h"

static void says_nothing(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_accept(peer)) {
        peer_drain(peer);
    }
}

static void says_half_a_greeting(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_accept(peer) && peer_send(peer, "{\"QMP\": {\"version\"")) {
        peer_drain(peer);
    }
}

static void greets_only(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_accept(peer) && peer_send(peer, GREETING("\"oob\""))) {
        peer_drain(peer);
    }
}

static void connecting_ends(peer_script *script, const char *part)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    struct log log = LOG_INIT;
    long long begin = now_ms();

    CHECK_INT(qmp_monitor_connect(monitor, 100, &error), -1);
    CHECK_ERROR(error, TIMEOUT, part);
    CHECK(now_ms() - begin >= 99);
    CHECK(now_ms() - begin < patience(5000));
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    /* The same with a callback. */
    CHECK_OK(qmp_monitor_connect_start(monitor, 100, log_done, &log, log_free, &error) == 0, error);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTING);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_TIMEOUT);
    CHECK_INT(log_freed(&log), 1);
    qmp_monitor_free(monitor);
    peer_end(peer);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    connecting_ends(says_nothing, "greeting");
    connecting_ends(says_half_a_greeting, NULL);
    connecting_ends(greets_only, NULL);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, 50, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, TIMEOUT, "query-status");
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"stop\"}", 50, log_reply, &log, log_free, &error) != 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_TIMEOUT);
    CHECK_INT(log.entries[0].delivery, QMP_DELIVERY_UNKNOWN);
    CHECK_INT(log_freed(&log), 1);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
