/* QEMU quits: its last events come, then LIBQMP_DISCONNECTED with a reason; later requests are DISCONNECTED,
 * NOT_SENT. */
#include "harness.h"

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    qmp_buffer *event;

    CHECK_OK(events != NULL, error);
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"quit\"}"));
    event = qmp_events_next(events, LONG, &error);
    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"SHUTDOWN\"");
    CHECK_STR(json_get(qmp_buffer_data(event), "data.reason"), "\"host-qmp-quit\"");
    qmp_buffer_free(event);
    event = qmp_events_next(events, LONG, &error);
    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"LIBQMP_DISCONNECTED\"");
    CHECK(strlen(json_get(qmp_buffer_data(event), "data.reason")) > 2);
    qmp_buffer_free(event);
    CHECK(qmp_events_next(events, LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK(qmp_monitor_greeting(monitor, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_INT(qmp_monitor_supports(monitor, "events"), 0);
    qemu_wait(&qemu);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    return 0;
}
