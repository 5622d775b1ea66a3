/* The message of an error names the target, and the command where one is known, also when the arguments are at fault. */
#include "harness.h"

#define TARGET "unix:/nowhere/vm.qmp"

static qmp_monitor *monitor;

/* `error` is INVALID_ARGUMENT, and its message has the target, the command and this part. */
static void names(int line, qmp_error **error, const char *command, const char *part)
{
    if (*error == NULL) {
        check_failed(__FILE__, line, "no error");
    }
    check_has(__FILE__, line, "the message", qmp_error_message(*error), TARGET);
    check_has(__FILE__, line, "the message", qmp_error_message(*error), command);
    check_error(__FILE__, line, error, QMP_CODE_INVALID_ARGUMENT, "INVALID_ARGUMENT", part);
}

#define NAMES(call, command, part) \
    do { \
        qmp_error *error = NULL; \
        err = &error; \
        (void)(call); \
        names(__LINE__, err, command, part); \
    } while (0)

int main(void)
{
    const char *stop = "{\"execute\": \"stop\"}";
    qmp_error **err;
    qmp_events *events;

    monitor = NEW(TARGET);
    events = qmp_monitor_events(monitor, NULL, NULL);
    CHECK(events != NULL);
    NAMES(qmp_monitor_set(monitor, NULL, "1", err), "", "option");
    NAMES(qmp_monitor_set(monitor, "colour", "1", err), "", "colour");
    NAMES(qmp_monitor_set(monitor, "timeout", "\xff", err), "", "UTF-8");
    NAMES(qmp_monitor_connect(monitor, -3, err), "connect", "-3");
    NAMES(qmp_monitor_connect_start(monitor, -3, log_done, NULL, NULL, err), "connect", "-3");
    NAMES(qmp_monitor_connect_start(monitor, 0, NULL, NULL, NULL, err), "connect", "callback");
    NAMES(qmp_monitor_open(NULL, TARGET, -3, err), "connect", "-3");
    NAMES(qmp_monitor_run(monitor, NULL, 0, err), "", "request");
    NAMES(qmp_monitor_run(monitor, stop, -3, err), "stop", "-3");
    NAMES(qmp_monitor_run(monitor, "{", 0, err), "", "request");
    NAMES(qmp_monitor_run_with_fds(monitor, stop, NULL, 1, 0, err), "stop", "fds");
    NAMES(qmp_monitor_start(monitor, stop, -3, log_reply, NULL, NULL, err), "stop", "-3");
    NAMES(qmp_monitor_start(monitor, stop, 0, NULL, NULL, NULL, err), "stop", "callback");
    NAMES(qmp_monitor_execute(monitor, NULL, NULL, 0, err), "", "command");
    NAMES(qmp_monitor_execute(monitor, "stop", NULL, -3, err), "stop", "-3");
    NAMES(qmp_monitor_execute(monitor, "stop", "[]", 0, err), "stop", "arguments");
    NAMES(qmp_monitor_subscribe(monitor, "\xff", log_event, NULL, NULL, err), "subscribe", "UTF-8");
    NAMES(qmp_monitor_subscribe(monitor, NULL, NULL, NULL, NULL, err), "subscribe", "callback");
    NAMES(qmp_monitor_events(monitor, "", err), "events", "empty");
    NAMES(qmp_events_next(events, -3, err), "events", "-3");
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    return 0;
}
