/* The caller's id comes back in the reply byte for byte whatever JSON it is, and not at all if there was none. */
#include "harness.h"

static const char *const ids[] = {
    "1", "-0", "1e3", "1E+03", "0.10", "123456789012345678901234567890", "\"a\"", "\"\"", "\"\\u00e9\\/\"",
        "\"\xc3\xa9\"",
    "null", "true", "false", "[]", "{}", "[1, 2,  3]", "{\"id\": {\"id\": 7}, \"b\":[ ]}", "\"}\"", "\"\\\"id\\\": 5\"",
};

static void every_id(qmp_monitor *monitor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    char request[200];
    int count = 0;

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        qmp_buffer *reply;
        snprintf(request, sizeof request, "{\"id\": %s, \"execute\": \"query-status\"}", ids[i]);
        reply = RUN(monitor, request);
        CHECK_STR(json_get(qmp_buffer_data(reply), "id"), ids[i]);
        CHECK(json_get(qmp_buffer_data(reply), "return")[0] == '{');
        CHECK_INT(strlen(qmp_buffer_data(reply)), qmp_buffer_len(reply));
        qmp_buffer_free(reply);
        snprintf(request, sizeof request, "{ \"execute\" : \"no-such-command\" , \"id\":%s }", ids[i]);
        CHECK(qmp_monitor_run(monitor, request, LONG, &error) == NULL);
        CHECK_STR(json_get(qmp_error_reply(error), "id"), ids[i]);
        CHECK_ERROR(error, COMMAND, "no-such-command");
        CHECK_OK(qmp_monitor_start(monitor, request, LONG, log_reply, &log, NULL, &error) != 0, error);
        log_turn(&log, qmp_monitor_reactor(monitor), ++count);
        CHECK_STR(json_get(log.entries[count - 1].json, "id"), ids[i]);
    }
    log_clear(&log);
}

static void no_id(qmp_monitor *monitor)
{
    qmp_buffer *reply = RUN(monitor, "{\"execute\": \"query-status\"}");

    CHECK(json_get(qmp_buffer_data(reply), "return.status")[0] == '"');
    CHECK(strstr(qmp_buffer_data(reply), "\"id\"") == NULL);
    qmp_buffer_free(reply);
}

static void value_alone(qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    qmp_buffer *value = qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error);

    CHECK_OK(value != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(value), "status"), "\"prelaunch\"");
    CHECK(strstr(qmp_buffer_data(value), "return") == NULL);
    qmp_buffer_free(value);
    value = qmp_monitor_execute(monitor, "human-monitor-command", "{\"command-line\": \"info version\"}", LONG, &error);
    CHECK_OK(value != NULL, error);
    CHECK(qmp_buffer_data(value)[0] == '"');
    qmp_buffer_free(value);
}

int main(void)
{
    static const enum qemu_kind kinds[] = {QEMU_COMPACT, QEMU_PRETTY};

    for (int i = 0; i < 2; i++) {
        struct qemu qemu = qemu_start(kinds[i]);
        qmp_monitor *monitor = OPEN(qemu.target);
        every_id(monitor);
        no_id(monitor);
        value_alone(monitor);
        qmp_monitor_free(monitor);
        qemu_kill(&qemu);
    }
    return 0;
}
