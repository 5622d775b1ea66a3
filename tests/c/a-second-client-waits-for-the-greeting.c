/* QEMU serves one client a socket: the second one times out, and the message says what was waited for and why. */
#include "harness.h"

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *first = OPEN(qemu.target);
    qmp_monitor *second = NEW(qemu.target);
    qmp_error *error = NULL;

    CHECK_INT(qmp_monitor_connect(second, patience(200), &error), -1);
    CHECK_HAS(qmp_error_message(error), "greeting");
    CHECK_HAS(qmp_error_message(error), qemu.target);
    CHECK_ERROR(error, TIMEOUT, "another client");
    CHECK_INT(qmp_monitor_state(second), QMP_STATE_DISCONNECTED);
    CHECK_RUNS(first);
    /* As soon as the first one leaves, the second one is served. */
    CHECK_OK(qmp_monitor_disconnect(first, &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(second, LONG, &error) == 0, error);
    CHECK_RUNS(second);
    qmp_monitor_free(first);
    qmp_monitor_free(second);
    qemu_kill(&qemu);
    return 0;
}
