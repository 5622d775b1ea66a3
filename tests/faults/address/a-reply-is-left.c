/* REPORT: LeakSanitizer: detected memory leaks */
/* A reply that nobody frees. */
#include "harness.h"

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) != NULL);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
