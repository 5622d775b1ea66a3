/* Strings that are not UTF-8 are INVALID_ARGUMENT, and the peer sees nothing of them. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_wait(peer)) {
        CHECK_INT(peer_silence(peer, 50), 0);
        peer_tell(peer);
        peer_echo(peer);
    }
}

int main(void)
{
    static const char *const bad[] = {"\xff", "a\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "x\xe2\x82"};
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;
    struct log log = LOG_INIT;
    char text[128];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "unix:/%s", bad[i]);
        CHECK(qmp_monitor_new(NULL, text, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "target");
        CHECK_INT(qmp_monitor_set(monitor, bad[i], "1", &error), -1);
        CHECK_ERROR(error, INVALID_ARGUMENT, "option");
        CHECK_INT(qmp_monitor_set(monitor, "timeout", bad[i], &error), -1);
        CHECK_ERROR(error, INVALID_ARGUMENT, "value");
        CHECK(qmp_monitor_execute(monitor, bad[i], NULL, LONG, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "command");
        snprintf(text, sizeof text, "{\"a\": \"%s\"}", bad[i]);
        CHECK(qmp_monitor_execute(monitor, "stop", text, LONG, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "arguments");
        snprintf(text, sizeof text, "{\"execute\": \"stop\", \"id\": \"%s\"}", bad[i]);
        CHECK(qmp_monitor_run(monitor, text, LONG, &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "request");
        CHECK(qmp_monitor_start(monitor, text, LONG, log_reply, &log, log_free, &error) == 0);
        CHECK_ERROR(error, INVALID_ARGUMENT, "request");
        CHECK(qmp_monitor_subscribe(monitor, bad[i], log_event, &log, log_free, &error) == 0);
        CHECK_ERROR(error, INVALID_ARGUMENT, "event");
        CHECK(qmp_monitor_events(monitor, bad[i], &error) == NULL);
        CHECK_ERROR(error, INVALID_ARGUMENT, "event");
        CHECK_INT(qmp_monitor_supports(monitor, bad[i]), -1);
        CHECK_INT(log_freed(&log), 2 * (int)(i + 1));
    }
    peer_go(peer);
    peer_heard(peer);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
