/* Streams give the events of a real QEMU in order, with nobody turning; each stream has its own queue and filter. */
#include "harness.h"

static void next_is(qmp_events *events, const char *name)
{
    qmp_error *error = NULL;
    qmp_buffer *event = qmp_events_next(events, LONG, &error);

    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), name);
    CHECK(json_get(qmp_buffer_data(event), "timestamp.seconds")[0] != '\0');
    CHECK_INT(strlen(qmp_buffer_data(event)), qmp_buffer_len(event));
    qmp_buffer_free(event);
}

static void nothing_yet(qmp_events *events, int timeout)
{
    qmp_error *error = NULL;

    CHECK(qmp_events_next(events, timeout, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
}

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = NEW(qemu.target);
    qmp_error *error = NULL;
    qmp_events *all = qmp_monitor_events(monitor, NULL, &error);
    qmp_events *stops = qmp_monitor_events(monitor, "STOP", &error);

    CHECK_OK(all != NULL && stops != NULL, error);
    /* No link yet: DISCONNECTED, at once. */
    CHECK(qmp_events_next(all, LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    next_is(all, "\"LIBQMP_CONNECTED\"");
    next_is(stops, "\"LIBQMP_CONNECTED\"");
    nothing_yet(all, 0);
    nothing_yet(all, 30);
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"cont\"}"));
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"stop\"}"));
    next_is(all, "\"RESUME\"");
    next_is(all, "\"STOP\"");
    next_is(stops, "\"STOP\"");
    nothing_yet(stops, 0);
    CHECK(qmp_events_next(all, -3, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    next_is(stops, "\"LIBQMP_DISCONNECTED\"");
    CHECK(qmp_events_next(stops, LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    /* What is queued outlives the monitor. */
    qmp_monitor_free(monitor);
    next_is(all, "\"LIBQMP_DISCONNECTED\"");
    CHECK(qmp_events_next(all, LONG, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    CHECK(qmp_events_next(stops, LONG, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    qmp_events_free(all);
    qmp_events_free(stops);
    qemu_kill(&qemu);
    return 0;
}
