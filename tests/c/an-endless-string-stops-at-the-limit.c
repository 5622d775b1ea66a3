/* A peer that never ends its string: LIMIT (or the deadline), and no more memory than the limit allows. */
#include "harness.h"

static void endless(struct peer *peer, void *arg)
{
    char block[65536];

    memset(block, 'a', sizeof block);
    if (arg != NULL ? peer_greet(peer) && peer_request(peer) != NULL : peer_accept(peer)) {
        if (peer_send(peer, "{\"return\": {\"text\": \"")) {
            while (peer_send_bytes(peer, block, sizeof block)) {
            }
        }
    }
}

/* The link may be closed at the limit, or kept until the deadline in the hope that the message ends. */
static void check_end(qmp_error *error)
{
    if (qmp_error_code(error) == QMP_CODE_TIMEOUT) {
        CHECK_ERROR(error, TIMEOUT, NULL);
    } else {
        CHECK_ERROR(error, LIMIT, NULL);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, endless, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    long before = resident_kib();

    CHECK_OK(qmp_monitor_set(monitor, "max-message", "1048576", &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(monitor, patience(2000), &error), -1);
    check_end(error);
    error = NULL;
    qmp_monitor_free(monitor);
    peer_end(peer);

    peer = peer_start(PEER_UNIX, endless, "after the greeting");
    monitor = NEW(peer_target(peer));
    CHECK_OK(qmp_monitor_set(monitor, "max-message", "1048576", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, patience(2000), &error) == NULL);
    check_end(error);
    error = NULL;
    qmp_monitor_free(monitor);
    peer_end(peer);
    /* One megabyte is the limit; the library may hold it twice while a buffer moves, and has some of its own. */
    if (!is_slow()) {
        CHECK(resident_kib() - before < 8 * 1024);
    }
    return 0;
}
