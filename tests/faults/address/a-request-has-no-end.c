/* REPORT: AddressSanitizer: heap-buffer-overflow */
/* A request without its NUL: the library reads beyond the end of what C allocated. */
#include "harness.h"

int main(void)
{
    const char *text = "{\"execute\": \"query-status\"}";
    char *request = malloc(strlen(text));
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;

    CHECK(request != NULL);
    memcpy(request, text, strlen(text));
    qmp_buffer_free(qmp_monitor_run(monitor, request, LONG, &error));
    qmp_error_free(error);
    free(request);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
