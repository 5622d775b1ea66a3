/* Unsubscribing while the callback runs in another thread never waits; free runs after the callback has ended. */
#include "harness.h"

static sem_t inside, leave;
static int calls, freed, running;

static void callback(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)user_data, (void)monitor, (void)event, (void)json, (void)len;
    __atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    sem_post(&inside);
    wait_for(&leave);
    __atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
}

static void on_free(void *user_data)
{
    (void)user_data;
    CHECK_INT(__atomic_load_n(&running, __ATOMIC_SEQ_CST), 0);
    __atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
    sem_post(&inside);
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer)) {
        while (peer_wait(peer) && peer_event(peer, "TICK", NULL) && peer_event(peer, "TICK", NULL)) {
        }
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    long long begin;

    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    for (int round = 1; round <= 3; round++) {
        uint64_t id = qmp_monitor_subscribe(monitor, "TICK", callback, NULL, on_free, &error);
        CHECK_OK(id != 0, error);
        peer_go(peer);
        wait_for(&inside);
        begin = now_ms();
        CHECK_INT(qmp_monitor_unsubscribe(monitor, id), 0);
        CHECK(now_ms() - begin < patience(2000));
        CHECK_INT(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), round - 1);
        sem_post(&leave);
        wait_for(&inside);
        CHECK_INT(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), round);
        /* The second TICK, already queued or still to come, is not told. */
        CHECK_INT(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), round);
    }
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
