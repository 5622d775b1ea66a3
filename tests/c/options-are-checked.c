/* Unknown options name the known ones, bad values are refused, and only some options may change on a live link. */
#include "harness.h"

static void refused(qmp_monitor *monitor, const char *option, const char *value)
{
    qmp_error *error = NULL;

    if (qmp_monitor_set(monitor, option, value, &error) == 0) {
        check_failed(__FILE__, __LINE__, "accepted: %s=%s", option, value);
    }
    CHECK_ERROR(error, INVALID_ARGUMENT, option);
}

static void accepted(qmp_monitor *monitor, const char *option, const char *value)
{
    qmp_error *error = NULL;
    CHECK_OK(qmp_monitor_set(monitor, option, value, &error) == 0, error);
}

static void wrong_moment(qmp_monitor *monitor, const char *option, const char *value)
{
    qmp_error *error = NULL;
    CHECK_INT(qmp_monitor_set(monitor, option, value, &error), -1);
    CHECK_ERROR(error, STATE, option);
}

int main(void)
{
    static const char *const known[] = {"timeout", "max-message", "max-events", "max-event-bytes", "listen", "oob",
                                        "busy-poll"};
    static const char *const numbers_bad[] = {"", "x", "-7", "1.5", "1k", " 1", "99999999999999999999999"};
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;

    CHECK_INT(qmp_monitor_set(monitor, "colour", "red", &error), -1);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        CHECK_HAS(qmp_error_message(error), known[i]);
    }
    CHECK_ERROR(error, INVALID_ARGUMENT, "colour");
    for (size_t i = 0; i < sizeof numbers_bad / sizeof numbers_bad[0]; i++) {
        refused(monitor, "timeout", numbers_bad[i]);
        refused(monitor, "max-message", numbers_bad[i]);
        refused(monitor, "max-events", numbers_bad[i]);
        refused(monitor, "max-event-bytes", numbers_bad[i]);
    }
    refused(monitor, "listen", "maybe");
    refused(monitor, "oob", "");
    refused(monitor, "busy-poll", "1000001");
    accepted(monitor, "busy-poll", "1");
    accepted(monitor, "timeout", "5000");
    accepted(monitor, "max-message", "1048576");
    accepted(monitor, "max-events", "10");
    accepted(monitor, "max-event-bytes", "100000");
    accepted(monitor, "oob", "off");
    accepted(monitor, "listen", "off");
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    accepted(monitor, "timeout", "20000");
    accepted(monitor, "max-events", "11");
    accepted(monitor, "max-event-bytes", "100001");
    wrong_moment(monitor, "max-message", "2097152");
    wrong_moment(monitor, "oob", "on");
    wrong_moment(monitor, "listen", "on");
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK_ERROR(error, STATE, NULL);
    CHECK_RUNS(monitor);
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    accepted(monitor, "max-message", "2097152");
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
