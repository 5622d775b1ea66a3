/* REPORT: ThreadSanitizer: data race */
/* A callback on the library's thread writes what another thread reads, with nothing between them. */
#include "harness.h"

static void count(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)monitor, (void)event, (void)json, (void)len;
    ++*(volatile int *)user_data;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = NEW_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    volatile int count_of_events = 0;

    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, count, (void *)&count_of_events, NULL, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    for (long long end = now_ms() + LONG; count_of_events == 0 && now_ms() < end;) {
    }
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
