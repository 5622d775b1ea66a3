/* With SIGPIPE at its default, writing to a peer that has gone is an error of the call, not the end of the process. */
#include "harness.h"

#include <signal.h>

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        peer_close(peer);
        peer_tell(peer);
    }
}

int main(void)
{
    struct peer *peer;
    qmp_error *error = NULL;
    qmp_monitor *monitor;
    sigset_t unblocked;

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    sigemptyset(&unblocked);
    sigaddset(&unblocked, SIGPIPE);
    CHECK_INT(sigprocmask(SIG_UNBLOCK, &unblocked, NULL), 0);
    peer = peer_start(PEER_UNIX, script, NULL);
    for (int i = 0; i < 20; i++) {
        monitor = OPEN(peer_target(peer));
        peer_heard(peer);
        CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
        CHECK_ERROR(error, DISCONNECTED, NULL);
        qmp_monitor_free(monitor);
    }
    CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
    peer_end(peer);
    return 0;
}
