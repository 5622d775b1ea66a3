/* start and stop from several threads at once: a stop returns when its thread has ended, whoever starts another one
 * meanwhile; and nobody's stop returns while the thread still runs. */
#include "harness.h"

static qmp_reactor *reactor;

static void *stop(void *unused)
{
    qmp_error *error = NULL;

    (void)unused;
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    return NULL;
}

static void *start_and_stop(void *unused)
{
    (void)unused;
    for (int i = 0; i < amount(200, 20); i++) {
        qmp_error *error = NULL;
        if (qmp_reactor_start(reactor, &error) != 0) {
            CHECK_ERROR(error, STATE, NULL);
        }
        CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    }
    return NULL;
}

/* A thread stops the reactor while this one starts it again as soon as that is possible. */
static void one_of_each(void)
{
    pthread_t stopper;
    qmp_error *error = NULL;

    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    CHECK_INT(pthread_create(&stopper, NULL, stop, NULL), 0);
    while (qmp_reactor_start(reactor, &error) != 0) {
        CHECK_ERROR(error, STATE, NULL);
    }
    CHECK_INT(pthread_join(stopper, NULL), 0);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
}

int main(void)
{
    pthread_t threads[4];
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor;
    qmp_error *error = NULL;
    long long begin;
    int before;

    reactor = NEW_REACTOR();
    monitor = OPEN_ON(reactor, peer_target(peer));
    before = count_threads();
    for (int i = 0; i < amount(100, 10); i++) {
        one_of_each();
    }
    wait_for_threads(before);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, start_and_stop, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    wait_for_threads(before);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(reactor, 50, &error), 0);
    CHECK_OK(true, error);
    CHECK(now_ms() - begin >= 49);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
