/* A monitor with a reactor of its own, freed in its callback: all that is left runs by the end of that turn. */
#include "harness.h"

static void free_it(void *log, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    log_reply(log, monitor, error, json, len);
    qmp_monitor_free(monitor);
}

/* Answers the first request of each connection and no other. */
static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        if (peer_request(peer) != NULL) {
            peer_answer(peer, "{}");
            peer_drain(peer);
        }
    }
}

static qmp_monitor *prepare(const char *target, struct log *log)
{
    qmp_monitor *monitor = OPEN(target);
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_subscribe(monitor, "NEVER", log_event, log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, free_it, log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"y\"}", LONG, log_reply, log, log_free, &error) != 0, error);
    return monitor;
}

static void check_end(const struct log *log)
{
    int canceled = 0;

    CHECK_INT(log->freed, 3);
    CHECK_INT(log->entries[0].code, QMP_CODE_OK);
    for (int i = 1; i < log->count; i++) {
        canceled += log->entries[i].name == NULL && log->entries[i].code == QMP_CODE_CANCELED;
    }
    CHECK_INT(canceled, 1);
}

static void in_a_turn(const char *target)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_reactor *reactor = qmp_monitor_reactor(prepare(target, &log));

    /* The reactor lives until the turn in which its only monitor is freed returns. */
    while (log_count(&log) == 0) {
        CHECK_OK(qmp_reactor_turn(reactor, LONG, &error) >= 0, error);
    }
    check_end(&log);
    log_clear(&log);
}

static void on_the_librarys_thread(const char *target)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int threads = count_threads();
    long long end = now_ms() + LONG;
    qmp_monitor *monitor = prepare(target, &log);

    CHECK_OK(qmp_reactor_start(qmp_monitor_reactor(monitor), &error) == 0, error);
    /* Nobody can stop that thread any more: it ends by itself. */
    while (log_freed(&log) < 3 || count_threads() != threads) {
        CHECK(now_ms() < end);
        pause_ms(1);
    }
    check_end(&log);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);

    for (int i = 0; i < 5; i++) {
        in_a_turn(peer_target(peer));
        on_the_librarys_thread(peer_target(peer));
    }
    peer_end(peer);
    return 0;
}
