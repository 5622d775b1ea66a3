/* qmp_events_close from any thread: readers get what is queued, then CANCELED; then join, then free. */
#include "harness.h"

static struct peer *peer;
static sem_t begun;

static void script(struct peer *script_peer, void *arg)
{
    (void)arg;
    while (peer_greet(script_peer)) {
        while (peer_request(script_peer) != NULL) {
            peer_event(script_peer, "TICK", NULL);
            peer_event(script_peer, "TICK", NULL);
            peer_answer(script_peer, "{}");
        }
    }
}

static void *read_all(void *events)
{
    qmp_error *error = NULL;
    intptr_t count = 0;
    qmp_buffer *event;

    sem_post(&begun);
    while ((event = qmp_events_next(events, QMP_TIMEOUT_FOREVER, &error)) != NULL) {
        CHECK_HAS(qmp_buffer_data(event), "TICK");
        qmp_buffer_free(event);
        count++;
    }
    CHECK_ERROR(error, CANCELED, NULL);
    return (void *)count;
}

static void with_readers(bool started)
{
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "TICK", &error);
    pthread_t threads[3];
    intptr_t sum = 0;

    CHECK_OK(events != NULL, error);
    if (started) {
        CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, read_all, events), 0);
        wait_for(&begun);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_RUNS(monitor);
    }
    CHECK_INT(qmp_events_close(events), 0);
    CHECK_INT(qmp_events_close(events), 0);
    for (int i = 0; i < 3; i++) {
        void *count;
        CHECK_INT(pthread_join(threads[i], &count), 0);
        sum += (intptr_t)count;
    }
    CHECK_INT(sum, 20);
    CHECK_RUNS(monitor);
    CHECK(qmp_events_next(events, 0, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    qmp_events_free(events);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
}

int main(void)
{
    sem_init(&begun, 0, 0);
    peer = peer_start(PEER_UNIX, script, NULL);
    for (int i = 0; i < amount(10, 2); i++) {
        with_readers(false);
        with_readers(true);
    }
    peer_end(peer);
    return 0;
}
