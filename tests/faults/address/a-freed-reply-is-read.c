/* REPORT: AddressSanitizer: heap-use-after-free */
/* The text of a reply, which Rust allocated and freed, is read by C after that. */
#include "harness.h"

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_buffer *reply = RUN(monitor, "{\"execute\": \"query-status\"}");
    const volatile char *text = qmp_buffer_data(reply);

    qmp_buffer_free(reply);
    printf("%c\n", text[0]);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
