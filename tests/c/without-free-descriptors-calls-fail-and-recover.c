/* In a process that has no descriptor left calls fail by SYSTEM or CONNECT and an errno; with one again the same objects
 * work. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit before;

/* From now on no descriptor can be made. */
static void exhaust(void)
{
    struct rlimit none = before;
    int first = fcntl(0, F_DUPFD_CLOEXEC, 0);

    CHECK(first >= 0);
    close(first);
    none.rlim_cur = (rlim_t)first;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(dup(0), -1);
}

static void recover(void)
{
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void check_failed_by(qmp_error *error, int code)
{
    CHECK_INT(qmp_error_code(error), code);
    CHECK_INT(qmp_error_errno(error), EMFILE);
    qmp_error_free(error);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_reactor *reactor;
    qmp_monitor *monitor;
    qmp_events *events;
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    reactor = NEW_REACTOR();
    monitor = NEW_ON(reactor, peer_target(peer));
    events = qmp_monitor_events(monitor, NULL, &error);
    CHECK_OK(events != NULL, error);

    exhaust();
    CHECK(qmp_reactor_new(&error) == NULL);
    check_failed_by(error, QMP_CODE_SYSTEM);
    CHECK_INT(qmp_reactor_fd(reactor), -1);
    CHECK_INT(qmp_events_fd(events, &error), -1);
    check_failed_by(error, QMP_CODE_SYSTEM);
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    check_failed_by(error, QMP_CODE_CONNECT);
    error = NULL;
    if (qmp_reactor_turn(reactor, 0, &error) < 0) {
        check_failed_by(error, QMP_CODE_SYSTEM);
    }
    recover();

    error = NULL;
    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) == 0, error);
    CHECK(qmp_reactor_fd(reactor) >= 0);
    CHECK_OK(qmp_events_fd(events, &error) >= 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
