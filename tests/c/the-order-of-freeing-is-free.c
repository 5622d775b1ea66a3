/* Reactor, monitors and streams may be freed in any order, started or not; what is left works on. */
#include "harness.h"

static void in_order(const char *target, int order, bool started)
{
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_events_fd(events, &error) >= 0, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    if (started) {
        CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    }
    for (int step = 0; step < 3; step++) {
        /* The six orders of three things. */
        static const char *const orders[] = {"rme", "rem", "mre", "mer", "erm", "emr"};
        switch (orders[order][step]) {
        case 'r':
            qmp_reactor_free(reactor);
            break;
        case 'm':
            CHECK_RUNS(monitor);
            qmp_monitor_free(monitor);
            CHECK_INT(log_freed(&log), 1);
            break;
        default:
            qmp_events_free(events);
            break;
        }
    }
    CHECK_INT(log_freed(&log), 1);
    log_clear(&log);
}

/* The callbacks of a monitor that outlives the caller's reactor run when somebody turns its own. */
static void the_monitor_keeps_the_reactor(const char *target)
{
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK(qmp_monitor_reactor(monitor) == reactor);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, log_free, &error) != 0, error);
    qmp_reactor_free(reactor);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    log_clear(&log);
    qmp_monitor_free(monitor);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    int before = 0;

    for (int round = 0; round < 3; round++) {
        for (int order = 0; order < 6; order++) {
            in_order(peer_target(peer), order, false);
            in_order(peer_target(peer), order, true);
        }
        the_monitor_keeps_the_reactor(peer_target(peer));
        before = round == 0 ? count_descriptors() : before;
    }
    /* The peer closes its end when it sees ours gone: one more or less is its own. */
    CHECK(count_descriptors() <= before + 1);
    qmp_reactor_free(NEW_REACTOR());
    peer_end(peer);
    return 0;
}
