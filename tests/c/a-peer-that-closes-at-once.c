/* A peer that closes at once, after its greeting, or after a request: an error that names the target, in no time. */
#include "harness.h"

static void closes(struct peer *peer, void *arg)
{
    for (;;) {
        if (!peer_accept(peer) || (arg != NULL && !peer_send(peer, arg))) {
            return;
        }
    }
}

static void takes_a_request(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer) && peer_request(peer) != NULL) {
    }
}

static void connecting_fails(const char *greeting)
{
    struct peer *peer = peer_start(PEER_UNIX, closes, (void *)(uintptr_t)greeting);
    qmp_error *error = NULL;
    qmp_monitor *monitor = NEW(peer_target(peer));

    for (int i = 0; i < 3; i++) {
        CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
        CHECK_HAS(qmp_error_message(error), peer_target(peer));
        CHECK_ERROR(error, DISCONNECTED, NULL);
        CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    }
    CHECK(qmp_monitor_open(NULL, peer_target(peer), LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    qmp_monitor_free(monitor);
    peer_end(peer);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, takes_a_request, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    connecting_fails(NULL);
    connecting_fails("{\"QMP\": {\"ver");
    connecting_fails(GREETING(""));
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    /* Nothing reconnects by itself, and connecting again is all that is needed. */
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
