/* Freeing a monitor waits for the `free` of a callback that runs in another thread, not for the callback alone. */
#include "harness.h"

static sem_t inside;
static int begun, ended;

static void slow(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)user_data, (void)monitor, (void)event, (void)json, (void)len;
    sem_post(&inside);
    pause_ms(50);
}

static void slow_free(void *user_data)
{
    (void)user_data;
    __atomic_store_n(&begun, 1, __ATOMIC_SEQ_CST);
    pause_ms(100);
    __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_tick, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;

    sem_init(&inside, 0, 0);
    CHECK_OK(qmp_monitor_subscribe(monitor, "TICK", slow, NULL, slow_free, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    peer_go(peer);
    wait_for(&inside);
    qmp_monitor_free(monitor);
    CHECK_INT(__atomic_load_n(&begun, __ATOMIC_SEQ_CST), 1);
    CHECK_INT(__atomic_load_n(&ended, __ATOMIC_SEQ_CST), 1);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
