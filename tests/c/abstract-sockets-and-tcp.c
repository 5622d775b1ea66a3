/* unix:@NAME, tcp:HOST:PORT with an address and with a name, and tcp:[IPv6]:PORT all lead to the same session. */
#include "harness.h"

static void use(const char *target)
{
    qmp_monitor *monitor = NEW(target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_buffer *reply;

    for (int round = 0; round < 3; round++) {
        CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
        reply = qmp_monitor_execute(monitor, "echo", "{\"n\": 7}", LONG, &error);
        CHECK_OK(reply != NULL, error);
        CHECK_STR(json_get(qmp_buffer_data(reply), "n"), "7");
        qmp_buffer_free(reply);
        CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    }
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &log, log_free, &error) == 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK_STR(qmp_monitor_target(monitor), target);
    log_clear(&log);
    qmp_monitor_free(monitor);
}

static void use_peer(enum peer_kind kind)
{
    struct peer *peer = peer_start(kind, script_echo, NULL);

    if (peer_target(peer)[0] != '\0') {
        use(peer_target(peer));
    } else {
        printf("no IPv6 on this machine: its part is left out\n");
    }
    peer_end(peer);
}

static void by_name(void)
{
    struct peer *peer = peer_start(PEER_TCP, script_echo, NULL);
    char target[64];

    snprintf(target, sizeof target, "tcp:localhost:%s", strrchr(peer_target(peer), ':') + 1);
    use(target);
    peer_end(peer);
}

/* Nobody listens: refused until the deadline. A name that does not exist: an error that says so. */
static void nobody_there(void)
{
    struct peer *peer = peer_start(PEER_TCP, script_echo, NULL);
    qmp_error *error = NULL;
    char target[160];

    snprintf(target, sizeof target, "%s", peer_target(peer));
    peer_end(peer);
    CHECK(qmp_monitor_open(NULL, target, 100, &error) == NULL);
    CHECK(qmp_error_code(error) == QMP_CODE_CONNECT || qmp_error_code(error) == QMP_CODE_TIMEOUT);
    CHECK_HAS(qmp_error_message(error), target);
    qmp_error_free(error);
}

int main(void)
{
    use_peer(PEER_ABSTRACT);
    use_peer(PEER_TCP);
    use_peer(PEER_TCP6);
    by_name();
    nobody_there();
    return 0;
}
