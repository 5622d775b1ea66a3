/* A new link is told as LIBQMP_CONNECTED, its end as LIBQMP_DISCONNECTED with a reason, whatever the filter. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        if (peer_request(peer) != NULL) {
            peer_answer(peer, "{}");
        }
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_reactor *reactor = qmp_monitor_reactor(monitor);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_subscribe(monitor, "NO_SUCH_EVENT", log_event, &log, log_free, &error) != 0, error);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_NEW);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
    for (int round = 0; round < 3; round++) {
        CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
        CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
        if (round == 0) {
            CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
            CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
        } else {
            CHECK_RUNS(monitor);
        }
        log_turn(&log, reactor, 2 * round + 2);
        CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
        CHECK_STR(log.entries[2 * round].name, "LIBQMP_CONNECTED");
        CHECK_STR(log.entries[2 * round + 1].name, "LIBQMP_DISCONNECTED");
        CHECK(strlen(json_get(log.entries[2 * round + 1].json, "data.reason")) > 2);
    }
    CHECK_INT(qmp_reactor_turn(reactor, 20, &error), 0);
    CHECK_INT(log_count(&log), 6);
    log_clear(&log);
    qmp_monitor_free(monitor);
    CHECK_INT(log_freed(&log), 1);
    peer_end(peer);
    return 0;
}
