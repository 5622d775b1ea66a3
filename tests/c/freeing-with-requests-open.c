/* Freeing a monitor answers what is open with CANCELED, in the freeing thread,
 * before it returns; it waits for no peer. */
#include "harness.h"

#define OPEN_REQUESTS 20

static void with_a_link(struct peer *peer)
{
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    long long begin;

    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    for (int i = 0; i < OPEN_REQUESTS; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", QMP_TIMEOUT_FOREVER, log_reply, &log, log_free,
                                   &error) != 0, error);
    }
    CHECK_INT(log_count(&log), 0);
    begin = now_ms();
    qmp_monitor_free(monitor);
    CHECK(now_ms() - begin < patience(2000));
    CHECK_INT(log_freed(&log), OPEN_REQUESTS + 1);
    for (int i = 0, replies = 0; i < log_count(&log); i++) {
        if (log.entries[i].name == NULL) {
            replies++;
            CHECK_INT(log.entries[i].code, QMP_CODE_CANCELED);
            CHECK(log.entries[i].json == NULL);
            CHECK(pthread_equal(log.entries[i].thread, pthread_self()));
        }
        CHECK(i + 1 < log_count(&log) || replies == OPEN_REQUESTS);
    }
    CHECK(log_count(&log) >= OPEN_REQUESTS);
    log_clear(&log);
}

static void while_connecting(void)
{
    qmp_monitor *monitor = NEW("unix:@libqmp-test-nobody-listens-here");
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_connect_start(monitor, QMP_TIMEOUT_FOREVER, log_done, &log, log_free, &error) == 0, error);
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), 10, &error), 0);
    qmp_monitor_free(monitor);
    CHECK_INT(log_count(&log), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_CANCELED);
    CHECK_INT(log_freed(&log), 1);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_silent, NULL);
    int before;

    with_a_link(peer);
    before = count_descriptors();
    for (int i = 0; i < 10; i++) {
        with_a_link(peer);
        while_connecting();
    }
    peer_end(peer);
    /* The peer's own three are gone with it. */
    CHECK(count_descriptors() <= before);
    return 0;
}
