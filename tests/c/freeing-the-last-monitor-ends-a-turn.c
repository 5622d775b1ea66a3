/* A turn of a monitor's own reactor ends when the monitor is freed in another thread: nobody could wake it any more. */
#include "harness.h"

static sem_t begun;

static void *turn_for_ever(void *reactor)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK_INT(qmp_reactor_turn(reactor, QMP_TIMEOUT_FOREVER, &error), 0);
    CHECK_OK(true, error);
    return NULL;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    pthread_t thread;

    sem_init(&begun, 0, 0);
    for (int i = 0; i < 10; i++) {
        qmp_monitor *monitor = OPEN(peer_target(peer));
        CHECK_INT(pthread_create(&thread, NULL, turn_for_ever, qmp_monitor_reactor(monitor)), 0);
        wait_for(&begun);
        pause_ms(20);
        qmp_monitor_free(monitor);
        CHECK_INT(pthread_join(thread, NULL), 0);
    }
    peer_end(peer);
    return 0;
}
