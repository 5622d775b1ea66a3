/* QEMU's error answer: NULL and COMMAND from run as from execute, with its class, its text and the raw reply. */
#include "harness.h"

static void check_error_parts(const qmp_error *error, const char *target)
{
    CHECK_INT(qmp_error_code(error), QMP_CODE_COMMAND);
    CHECK_STR(qmp_error_class(error), "CommandNotFound");
    CHECK_HAS(qmp_error_desc(error), "no-such-command");
    CHECK_HAS(qmp_error_message(error), qmp_error_desc(error));
    CHECK_HAS(qmp_error_message(error), target);
    CHECK_HAS(qmp_error_message(error), "no-such-command");
    CHECK_STR(json_get(qmp_error_reply(error), "error.class"), "\"CommandNotFound\"");
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_ANSWERED);
    CHECK_INT(qmp_error_libvirt(error), 0);
}

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"no-such-command\"}", LONG, &error) == NULL);
    check_error_parts(error, qemu.target);
    qmp_error_free(error);
    CHECK(qmp_monitor_execute(monitor, "no-such-command", NULL, LONG, &error) == NULL);
    check_error_parts(error, qemu.target);
    qmp_error_free(error);
    error = NULL;
    /* A callback gets the envelope as well. */
    CHECK(qmp_monitor_start(monitor, "{\"execute\": \"no-such-command\", \"id\": 3}", LONG, log_reply, &log,
                            log_free, NULL) != 0);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_COMMAND);
    CHECK_INT(log.entries[0].delivery, QMP_DELIVERY_ANSWERED);
    CHECK_STR(json_get(log.entries[0].json, "error.class"), "\"CommandNotFound\"");
    CHECK_STR(json_get(log.entries[0].json, "id"), "3");
    CHECK_INT(log_freed(&log), 1);
    /* An error that is not wanted may be left out; a stale pointer is overwritten, not freed. */
    CHECK(qmp_monitor_execute(monitor, "no-such-command", NULL, LONG, NULL) == NULL);
    error = (qmp_error *)(uintptr_t)1;
    CHECK(qmp_monitor_execute(monitor, "no-such-command", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, COMMAND, NULL);
    error = (qmp_error *)(uintptr_t)1;
    qmp_buffer_free(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error));
    CHECK(error == (qmp_error *)(uintptr_t)1);
    log_clear(&log);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
