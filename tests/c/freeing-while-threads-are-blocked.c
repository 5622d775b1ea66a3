/* Calls of other threads that are inside when a monitor is freed return CANCELED, whoever leads and whoever waits. */
#include "harness.h"

#define THREADS 6

static sem_t begun;

static void *blocked_in_run(void *monitor)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, QMP_TIMEOUT_FOREVER, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

static void *blocked_in_next(void *events)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK(qmp_events_next(events, QMP_TIMEOUT_FOREVER, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

static void *blocked_in_connect(void *monitor)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK_INT(qmp_monitor_connect(monitor, QMP_TIMEOUT_FOREVER, &error), -1);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        for (int i = 0; i < THREADS; i++) {
            if (peer_request(peer) == NULL) {
                return;
            }
        }
        peer_tell(peer);
        peer_drain(peer);
    }
}

static void in_commands(struct peer *peer, bool started)
{
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = NEW_ON(reactor, peer_target(peer));
    pthread_t threads[THREADS + 2];
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    qmp_buffer_free(qmp_events_next(events, LONG, &error));
    if (started) {
        CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, blocked_in_run, monitor), 0);
        wait_for(&begun);
    }
    /* All requests are on the wire: their threads are inside. */
    peer_heard(peer);
    qmp_monitor_free(monitor);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    /* The stream holds LIBQMP_DISCONNECTED at most, then is CANCELED. */
    while ((qmp_buffer_free(qmp_events_next(events, LONG, &error)), error) == NULL) {
    }
    CHECK_ERROR(error, CANCELED, NULL);
    qmp_events_free(events);
    qmp_reactor_free(reactor);
}

static void in_a_stream(struct peer *peer)
{
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    pthread_t thread;

    CHECK_OK(events != NULL, error);
    CHECK_INT(pthread_create(&thread, NULL, blocked_in_next, events), 0);
    wait_for(&begun);
    pause_ms(20);
    /* Closing ends the reader, and leaves what is queued. */
    CHECK_INT(qmp_events_close(events), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
}

static void in_connect(void)
{
    qmp_monitor *monitor = NEW("unix:@libqmp-test-nobody-listens-here");
    pthread_t thread;
    long long end = now_ms() + LONG;

    CHECK_INT(pthread_create(&thread, NULL, blocked_in_connect, monitor), 0);
    wait_for(&begun);
    while (qmp_monitor_state(monitor) != QMP_STATE_CONNECTING) {
        CHECK(now_ms() < end);
        pause_ms(1);
    }
    qmp_monitor_free(monitor);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);

    sem_init(&begun, 0, 0);
    for (int round = 0; round < amount(20, 3); round++) {
        in_commands(peer, round % 2 == 1);
        in_a_stream(silent);
        in_connect();
    }
    peer_end(silent);
    peer_end(peer);
    return 0;
}
