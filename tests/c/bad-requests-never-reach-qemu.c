/* What is not exactly one well-formed command costs its caller an error, and QEMU sees nothing of it. */
#include "harness.h"

static const char *const bad[] = {
    "", " ", "\n", "x", "{", "{\"execute\": \"stop\"", "{\"execute\": \"stop}", "{\"execute\": \"stop\"}}",
    "{\"execute\": \"stop\"}{\"execute\": \"stop\"}", "{\"execute\": \"stop\"} x", "[]", "[{\"execute\": \"stop\"}]",
    "\"stop\"", "1", "null", "{}", "{\"id\": 1}", "{\"arguments\": {}}", "{\"execute\": 1}", "{\"execute\": null}",
    "{\"execute\": [\"stop\"]}", "{\"execute\": {\"a\": \"stop\"}}", "{\"exec-oob\": true}",
    "{\"execute\": \"stop\", \"exec-oob\": \"stop\"}", "{\"execute\": \"stop\", \"arguments\": []}",
    "{\"execute\": \"stop\", \"arguments\": 1}", "{\"execute\": \"stop\",}", "{\"execute\" \"stop\"}",
    "{execute: \"stop\"}", "{\"execute\": \"stop\" \"id\": 1}", "{\"execute\": \"sto\np\"}", "{\"execute\": \"\\x\"}",
    "{\"execute\": \"stop\", \"id\": 01}", "{\"execute\": \"stop\", \"id\": +1}", "{\"execute\": \"stop\", \"id\": }",
    "{\"execute\": \"stop\", \"id\": tru}", "{\"execute\": \"stop\", \"id\": [1, ]}",
    "{\"execute\": \"stop\", \"id\": 1.}",
};
static const char *const bad_arguments[] = {
    "", "[]", "1", "null", "{", "{}}", "{}, \"id\": 1", "{\"a\": }", "{} {}", "{\"a\": 1}, \"exec-oob\": \"stop\"",
};

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    char *big = malloc((size_t)70 << 20);

    CHECK_OK(events != NULL, error);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (qmp_monitor_run(monitor, bad[i], LONG, &error) != NULL) {
            check_failed(__FILE__, __LINE__, "accepted: %s", bad[i]);
        }
        CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
        CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
        CHECK(qmp_monitor_start(monitor, bad[i], LONG, log_reply, &log, log_free, &error) == 0);
        CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
        CHECK_INT(log_freed(&log), (int)i + 1);
    }
    for (size_t i = 0; i < sizeof bad_arguments / sizeof bad_arguments[0]; i++) {
        if (qmp_monitor_execute(monitor, "query-status", bad_arguments[i], LONG, &error) != NULL) {
            check_failed(__FILE__, __LINE__, "accepted arguments: %s", bad_arguments[i]);
        }
        CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
        CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    }
    CHECK(big != NULL);
    memset(big, ' ', ((size_t)70 << 20) - 1);
    memcpy(big, "{\"execute\": \"stop\"", 18);
    memcpy(big + ((size_t)70 << 20) - 2, "}", 2);
    CHECK(qmp_monitor_run(monitor, big, LONG, &error) == NULL);
    CHECK_ERROR(error, LIMIT, "max-message");
    free(big);
    /* QEMU is still in step, and nothing that was refused has done anything. */
    CHECK_RUNS(monitor);
    CHECK(qmp_events_next(events, 0, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    CHECK_INT(log_count(&log), 0);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
