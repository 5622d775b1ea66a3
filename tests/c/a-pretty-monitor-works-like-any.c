/* pretty=on: everything works as without it, large replies, events and errors included. */
#include "harness.h"

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_PRETTY);
    qmp_monitor *monitor = NEW(qemu.target);
    qmp_error *error = NULL;
    struct log log = LOG_INIT;
    qmp_buffer *buffer;

    CHECK_OK(qmp_monitor_subscribe(monitor, "RESUME", log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    buffer = qmp_monitor_greeting(monitor, &error);
    CHECK_OK(buffer != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(buffer), "QMP.version.qemu.major")[0] ? "some" : "none", "some");
    CHECK(strchr(qmp_buffer_data(buffer), '\n') != NULL);
    qmp_buffer_free(buffer);
    for (int i = 0; i < 3; i++) {
        buffer = RUN(monitor, "{\"execute\": \"query-qmp-schema\", \"id\": \"schema\"}");
        CHECK(qmp_buffer_len(buffer) > 200000);
        CHECK_STR(json_get(qmp_buffer_data(buffer), "id"), "\"schema\"");
        CHECK(qmp_buffer_data(buffer)[qmp_buffer_len(buffer) - 1] == '}');
        qmp_buffer_free(buffer);
    }
    CHECK(qmp_monitor_execute(monitor, "nonsense", NULL, LONG, &error) == NULL);
    CHECK_STR(qmp_error_class(error), "CommandNotFound");
    CHECK_ERROR(error, COMMAND, "nonsense");
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"cont\"}"));
    log_turn(&log, qmp_monitor_reactor(monitor), 2);
    CHECK_STR(json_get(log.entries[1].json, "event"), "\"RESUME\"");
    buffer = qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error);
    CHECK_OK(buffer != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(buffer), "status"), "\"running\"");
    qmp_buffer_free(buffer);
    log_clear(&log);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
