/* QEMU stopped by SIGSTOP: the request times out; after SIGCONT the link works and the late reply is gone. */
#include "harness.h"

#include <signal.h>

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    qmp_error *error = NULL;
    qmp_buffer *reply;

    CHECK_INT(kill(qemu.pid, SIGSTOP), 0);
    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"query-version\", \"id\": 1}", 100, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, TIMEOUT, "query-version");
    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"query-name\", \"id\": 2}", 100, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, "query-name");
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    CHECK_INT(kill(qemu.pid, SIGCONT), 0);
    for (int id = 3; id < 13; id++) {
        char request[80];
        char text[8];
        snprintf(request, sizeof request, "{\"execute\": \"query-status\", \"id\": %d}", id);
        snprintf(text, sizeof text, "%d", id);
        reply = RUN(monitor, request);
        CHECK_STR(json_get(qmp_buffer_data(reply), "id"), text);
        CHECK_STR(json_get(qmp_buffer_data(reply), "return.status"), "\"prelaunch\"");
        qmp_buffer_free(reply);
    }
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
