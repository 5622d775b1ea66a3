/* REPORT: ThreadSanitizer: data race */
/* A callback on the library's thread counts what another thread reads, with nothing between them. */
#include "harness.h"

#define TICKS 50

static void count(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)monitor, (void)event, (void)json, (void)len;
    ++*(volatile int *)user_data;
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_wait(peer)) {
        for (int i = 0; i < TICKS && peer_event(peer, "TICK", NULL); i++) {
        }
        peer_drain(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    volatile int ticks = 0;

    CHECK_OK(qmp_monitor_subscribe(monitor, "TICK", count, (void *)&ticks, NULL, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    peer_go(peer);
    for (long long end = now_ms() + LONG; ticks < TICKS && now_ms() < end;) {
        /* A loop that spins would push the first read out of what ThreadSanitizer remembers. */
        pause_ms(1);
    }
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
