/* While another thread's turn is in a slow callback the reactor's descriptor does not stay readable for what turn(0) does
 * not do: the foreign loop takes what arrives, and leaves the callbacks to that turn. */
#include "harness.h"

static qmp_reactor *reactor;
static sem_t entered, leave;
static int callbacks;

static void slow(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)user_data;
    (void)monitor;
    CHECK_INT(strlen(json), len);
    if (strcmp(event, "TICK") == 0 && callbacks++ == 0) {
        sem_post(&entered);
        wait_for(&leave);
    }
}

static void *turn(void *unused)
{
    qmp_error *error = NULL;

    (void)unused;
    CHECK(qmp_reactor_turn(reactor, LONG, &error) > 0);
    return NULL;
}

/* One event for the slow callback, another while it runs. */
static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_wait(peer) && peer_event(peer, "TICK", NULL) && peer_wait(peer) &&
        peer_event(peer, "TICK", NULL)) {
        peer_drain(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_error *error = NULL;
    qmp_monitor *monitor;
    pthread_t thread;
    int turns = 0;
    int fd;

    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    reactor = NEW_REACTOR();
    monitor = OPEN_ON(reactor, peer_target(peer));
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, slow, NULL, NULL, &error) != 0, error);
    fd = qmp_reactor_fd(reactor);
    CHECK(fd >= 0);
    CHECK_INT(pthread_create(&thread, NULL, turn, NULL), 0);
    pause_ms(20);
    peer_go(peer);
    wait_for(&entered);
    peer_go(peer);
    qmp_reactor_wake(reactor);
    for (long long end = now_ms() + 200; now_ms() < end;) {
        if (wait_until_ready(fd, 20)) {
            CHECK_INT(qmp_reactor_turn(reactor, 0, &error), 0);
            turns++;
        }
    }
    if (turns > 5) {
        check_failed(__FILE__, __LINE__, "%d turns for one event and one wake", turns);
    }
    sem_post(&leave);
    CHECK_INT(pthread_join(thread, NULL), 0);
    /* The callback that waited is there for whoever turns next. */
    while (callbacks < 2) {
        CHECK(wait_until_ready(fd, LONG));
        CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    }
    CHECK(!wait_until_ready(fd, 0));
    CHECK_OK(true, error);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
