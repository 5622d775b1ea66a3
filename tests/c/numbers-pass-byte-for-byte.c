/* Numbers of every kind pass through replies and events byte for byte, on the way in as on the way out. */
#include "harness.h"

#define NUMBERS \
    "[0, -0, 1, -1, 1.0, 1.50, 1e3, 1E+3, 1e-7, 0.1, 9223372036854775807, -9223372036854775808, " \
    "18446744073709551615, 18446744073709551616, 123456789012345678901234567890.123456789, " \
    "1e400, -1e-400, 5e-324, 100000000000000000000]"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_event(peer, "NUMBERS", "{\"n\": " NUMBERS "}")) {
        peer_echo(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    struct log log = LOG_INIT;
    qmp_events *events = qmp_monitor_events(monitor, "NUMBERS", &error);
    qmp_buffer *buffer;

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_subscribe(monitor, "NUMBERS", log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    buffer = qmp_monitor_execute(monitor, "echo", "{\"n\":" NUMBERS "}", LONG, &error);
    CHECK_OK(buffer != NULL, error);
    /* Only blanks between values are ours to drop. */
    CHECK_HAS(qmp_buffer_data(buffer), "-0,1,-1,1.0,1.50,1e3,1E+3,1e-7,0.1,9223372036854775807,");
    CHECK_HAS(qmp_buffer_data(buffer), "123456789012345678901234567890.123456789,1e400,-1e-400,5e-324,1000000000000");
    qmp_buffer_free(buffer);
    buffer = RUN(monitor, "{\"execute\":\"echo\",\"arguments\":{\"n\":1.10e+05},\"id\":1.20E-09}");
    CHECK_STR(json_get(qmp_buffer_data(buffer), "return.n"), "1.10e+05");
    CHECK_STR(json_get(qmp_buffer_data(buffer), "id"), "1.20E-09");
    qmp_buffer_free(buffer);
    for (;;) {
        buffer = qmp_events_next(events, LONG, &error);
        CHECK_OK(buffer != NULL, error);
        if (strstr(qmp_buffer_data(buffer), "LIBQMP_") == NULL) {
            break;
        }
        qmp_buffer_free(buffer);
    }
    CHECK_STR(json_get(qmp_buffer_data(buffer), "data.n"), NUMBERS);
    qmp_buffer_free(buffer);
    log_turn(&log, qmp_monitor_reactor(monitor), 2);
    CHECK_STR(json_get(log.entries[log_find(&log, "NUMBERS")].json, "data.n"), NUMBERS);
    log_clear(&log);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
