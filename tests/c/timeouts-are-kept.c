/* Timeout 0 sends nothing, other negatives than -1 and -2 are refused, the option gives the default. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_wait(peer)) {
        CHECK_INT(peer_silence(peer, 50), 0);
        peer_tell(peer);
        peer_drain(peer);
    }
}

static void zero_sends_nothing(qmp_monitor *monitor, struct peer *peer)
{
    const char *request = "{\"execute\": \"query-status\"}";
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK(qmp_monitor_run(monitor, request, 0, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, TIMEOUT, "query-status");
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, 0, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, TIMEOUT, NULL);
    CHECK_OK(qmp_monitor_start(monitor, request, 0, log_reply, &log, log_free, &error) != 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_TIMEOUT);
    CHECK_INT(log.entries[0].delivery, QMP_DELIVERY_NOT_SENT);
    CHECK(log.entries[0].json == NULL);
    CHECK_INT(log_freed(&log), 1);
    peer_go(peer);
    peer_heard(peer);
}

static void others_are_refused(qmp_monitor *monitor)
{
    const char *request = "{\"execute\": \"query-status\"}";
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    for (int i = 0; i < 2; i++) {
        int bad = i == 0 ? -3 : INT32_MIN;
        CHECK(qmp_monitor_run(monitor, request, bad, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_monitor_execute(monitor, "query-status", NULL, bad, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_monitor_start(monitor, request, bad, log_reply, &log, log_free, &error) == 0);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_monitor_connect(monitor, bad, &error) == -1);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_monitor_connect_start(monitor, bad, log_done, &log, log_free, &error) == -1);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_reactor_turn(qmp_monitor_reactor(monitor), bad, &error) == -1);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
        CHECK(qmp_monitor_open(NULL, "unix:/nowhere", bad, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "timeout");
    }
    CHECK_INT(log_freed(&log), 4);
    CHECK_INT(log_count(&log), 0);
}

static void the_default_is_an_option(qmp_monitor *monitor)
{
    qmp_error *error = NULL;
    long long begin = now_ms();

    CHECK_OK(qmp_monitor_set(monitor, "timeout", "60", &error) == 0, error);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, QMP_TIMEOUT_DEFAULT, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, TIMEOUT, "query-status");
    CHECK(now_ms() - begin >= 59);
    CHECK(now_ms() - begin < patience(5000));
}

static void the_longest_is_long(qmp_monitor *monitor)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    uint64_t id = qmp_monitor_start(monitor, "{\"execute\": \"x\"}", INT32_MAX, log_reply, &log, NULL, &error);

    CHECK_OK(id != 0, error);
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), 30, &error), 0);
    CHECK_INT(qmp_monitor_cancel(monitor, id), 0);
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), INT32_MAX, &error), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_CANCELED);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));

    zero_sends_nothing(monitor, peer);
    others_are_refused(monitor);
    the_default_is_an_option(monitor);
    the_longest_is_long(monitor);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
