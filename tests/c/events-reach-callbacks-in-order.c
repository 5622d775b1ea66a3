/* Events of a real QEMU reach callbacks in a turn, in order, before the reply of the command that caused them. */
#include "harness.h"

static void unsubscribing_ends_it(qmp_monitor *monitor, struct log *log, uint64_t id)
{
    int before = log_count(log);

    CHECK_INT(qmp_monitor_unsubscribe(monitor, id), 0);
    CHECK_INT(log_freed(log), 1);
    CHECK_INT(qmp_monitor_unsubscribe(monitor, id), -1);
    CHECK_INT(qmp_monitor_unsubscribe(monitor, 0), -1);
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"cont\"}"));
    while (qmp_reactor_turn(qmp_monitor_reactor(monitor), 20, NULL) > 0) {
    }
    CHECK_INT(log_count(log), before);
}

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    qmp_reactor *reactor = qmp_monitor_reactor(monitor);
    struct log all = LOG_INIT;
    struct log stops = LOG_INIT;
    qmp_error *error = NULL;
    uint64_t all_id = qmp_monitor_subscribe(monitor, NULL, log_event, &all, log_free, &error);
    uint64_t stops_id = qmp_monitor_subscribe(monitor, "STOP", log_event, &stops, log_free, &error);

    CHECK_OK(all_id != 0 && stops_id != 0, error);
    CHECK(all_id != stops_id);
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"cont\"}"));
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"stop\"}"));
    /* A blocking call runs no callback. */
    CHECK_INT(log_count(&all), 0);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"cont\"}", LONG, log_reply, &all, NULL, &error) != 0, error);
    log_turn(&all, reactor, 4);
    CHECK_STR(all.entries[0].name, "RESUME");
    CHECK_STR(all.entries[1].name, "STOP");
    CHECK_STR(all.entries[2].name, "RESUME");
    CHECK(all.entries[3].name == NULL);
    CHECK_STR(json_get(all.entries[0].json, "event"), "\"RESUME\"");
    CHECK(json_get(all.entries[0].json, "timestamp.seconds")[0] != '\0');
    CHECK(json_get(all.entries[0].json, "timestamp.microseconds")[0] != '\0');
    CHECK_STR(json_get(all.entries[0].json, "data"), "");
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_equal(all.entries[i].thread, pthread_self()));
    }
    CHECK_INT(log_count(&stops), 1);
    CHECK_STR(stops.entries[0].name, "STOP");
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"stop\"}"));
    log_turn(&stops, reactor, 2);
    unsubscribing_ends_it(monitor, &stops, stops_id);
    log_clear(&all);
    log_clear(&stops);
    qmp_monitor_free(monitor);
    CHECK_INT(log_freed(&all), 1);
    CHECK_INT(log_freed(&stops), 1);
    qemu_kill(&qemu);
    return 0;
}
