/* REPORT: AddressSanitizer: heap-use-after-free */
/* A monitor is entered after it was freed: the library's own code reads what Rust has freed. */
#include "harness.h"

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    qmp_monitor_free(monitor);
    qmp_buffer_free(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error));
    qmp_error_free(error);
    peer_end(peer);
    return 0;
}
