/* The free callback runs exactly once, after the last call,
 * however a registration ends; user_data may be any number. */
#include "harness.h"

static int freed_numbers[4];

static void free_number(void *user_data)
{
    freed_numbers[(uintptr_t)user_data]++;
}

static void see_number(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)monitor, (void)error, (void)json, (void)len;
    CHECK_INT(freed_numbers[(uintptr_t)user_data], 0);
}

static void numbers(qmp_monitor *monitor)
{
    qmp_error *error = NULL;

    for (uintptr_t i = 0; i < 4; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, see_number, (void *)i, free_number,
                                   &error) != 0, error);
    }
    while (freed_numbers[3] == 0) {
        CHECK_OK(qmp_reactor_turn(qmp_monitor_reactor(monitor), 100, &error) >= 0, error);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(freed_numbers[i], 1);
    }
}

static void requests_and_connects(const char *target)
{
    qmp_monitor *monitor = NEW(target);
    qmp_reactor *reactor = qmp_monitor_reactor(monitor);
    struct log good = LOG_INIT;
    struct log bad = LOG_INIT;
    qmp_error *error = NULL;

    CHECK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &bad, log_free, &error) == 0);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_INT(log_freed(&bad), 1);
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &good, log_free, &error) == 0, error);
    CHECK_INT(qmp_monitor_connect_start(monitor, LONG, log_done, &bad, log_free, &error), -1);
    CHECK_ERROR(error, STATE, NULL);
    CHECK_INT(log_freed(&bad), 2);
    CHECK_INT(log_freed(&good), 0);
    log_turn(&good, reactor, 1);
    CHECK_INT(good.entries[0].code, QMP_CODE_OK);
    CHECK_INT(log_freed(&good), 1);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &good, log_free, &error) != 0, error);
    CHECK_INT(log_freed(&good), 1);
    log_turn(&good, reactor, 2);
    CHECK_INT(log_freed(&good), 2);
    /* A free callback may be NULL. */
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &good, NULL, &error) != 0, error);
    log_turn(&good, reactor, 3);
    CHECK_INT(log_freed(&good), 2);
    numbers(monitor);
    log_clear(&good);
    qmp_monitor_free(monitor);
    CHECK_INT(log_freed(&good), 2);
    CHECK_INT(log_freed(&bad), 2);
    CHECK_INT(log_count(&bad), 0);
}

static void subscriptions(const char *target)
{
    qmp_monitor *monitor = NEW(target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    uint64_t first = qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error);
    uint64_t second = qmp_monitor_subscribe(monitor, "STOP", log_event, &log, log_free, &error);

    CHECK_OK(first != 0 && second != 0, error);
    CHECK_INT(qmp_monitor_unsubscribe(monitor, first), 0);
    CHECK_INT(log_freed(&log), 1);
    CHECK_INT(qmp_monitor_unsubscribe(monitor, first), -1);
    CHECK_INT(log_freed(&log), 1);
    CHECK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) > second);
    qmp_monitor_free(monitor);
    CHECK_INT(log_freed(&log), 3);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);

    requests_and_connects(peer_target(peer));
    subscriptions(peer_target(peer));
    peer_end(peer);
    return 0;
}
