/* A target that cannot be right is refused before any I/O, with a message that quotes it. */
#include "harness.h"

int main(void)
{
    static const char *const bad[] = {
        "", "/run/vm.qmp", "http://localhost", "Unix:/x", "unix", "unix:", "unix:@", "tcp:", "tcp:host", "tcp::4444",
        "tcp:host:", "tcp:host:0", "tcp:host:65536", "tcp:host:99999999999999999999", "tcp:host:-1", "tcp:host:+1",
        "tcp:host:4444x", "tcp:::1:4444", "tcp:[::1]", "tcp:[::1:4444", "tcp:[nonsense]:4444", "fd:", "fd:-1", "fd:x",
        "fd:99999999999", "fd:1 ",
    };
    char path[256] = "unix:/";
    qmp_error *error = NULL;
    qmp_monitor *monitor;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (qmp_monitor_new(NULL, bad[i], &error) != NULL) {
            check_failed(__FILE__, __LINE__, "accepted: %s", bad[i]);
        }
        CHECK_ERROR(error, INVALID_ARGUMENT, bad[i]);
        CHECK(qmp_monitor_open(NULL, bad[i], LONG, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, bad[i]);
    }
    /* The address of a UNIX socket has room for 107 bytes and the NUL. */
    memset(path + 5, 'p', 108);
    CHECK(qmp_monitor_new(NULL, path, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, "108");
    path[5 + 107] = '\0';
    monitor = qmp_monitor_new(NULL, path, &error);
    CHECK_OK(monitor != NULL, error);
    CHECK_STR(qmp_monitor_target(monitor), path);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_NEW);
    qmp_monitor_free(monitor);
    /* A descriptor that is not open cannot be duplicated. */
    CHECK(qmp_monitor_new(NULL, "fd:999999", &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, "999999");
    return 0;
}
