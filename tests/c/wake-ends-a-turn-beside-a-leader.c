/* wake ends a turn also while a blocking call in another thread has the lead, and the turn waits for it. */
#include "harness.h"

static qmp_monitor *mute;
static qmp_reactor *reactor;
static sem_t begun;

/* Leads for as long as nobody cancels it. */
static void *wait_in_vain(void *unused)
{
    qmp_error *error = NULL;

    (void)unused;
    sem_post(&begun);
    CHECK(qmp_monitor_execute(mute, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

static void *wake_soon(void *unused)
{
    (void)unused;
    pause_ms(30);
    qmp_reactor_wake(reactor);
    return NULL;
}

int main(void)
{
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_error *error = NULL;
    pthread_t leader, waker;
    long long begin;

    sem_init(&begun, 0, 0);
    reactor = NEW_REACTOR();
    mute = OPEN_ON(reactor, peer_target(silent));
    CHECK_INT(pthread_create(&leader, NULL, wait_in_vain, NULL), 0);
    wait_for(&begun);
    pause_ms(30);
    for (int i = 0; i < 5; i++) {
        begin = now_ms();
        CHECK_INT(pthread_create(&waker, NULL, wake_soon, NULL), 0);
        CHECK_INT(qmp_reactor_turn(reactor, LONG / 2, &error), 0);
        CHECK_OK(true, error);
        CHECK(now_ms() - begin < LONG / 4);
        CHECK_INT(pthread_join(waker, NULL), 0);
    }
    /* Each wake was good for one turn. */
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 50, &error), 0);
    CHECK(now_ms() - begin >= 49);
    CHECK_INT(qmp_monitor_cancel(mute, 0), 0);
    CHECK_INT(pthread_join(leader, NULL), 0);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(silent);
    return 0;
}
