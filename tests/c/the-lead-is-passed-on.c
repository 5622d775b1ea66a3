/* Whoever stops leading passes the lead on: those who wait get their answers, events and callbacks in time. */
#include "harness.h"

static qmp_monitor *mute, *monitor;
static qmp_reactor *reactor;
static sem_t begun;

/* Leads for as long as it waits in vain. */
static void *wait_in_vain(void *timeout)
{
    qmp_error *error = NULL;

    sem_post(&begun);
    CHECK(qmp_monitor_execute(mute, "query-status", NULL, (int32_t)(intptr_t)timeout, &error) == NULL);
    CHECK(qmp_error_code(error) == QMP_CODE_TIMEOUT || qmp_error_code(error) == QMP_CODE_CANCELED);
    qmp_error_free(error);
    return NULL;
}

/* Answers a request when it is told to, behind an event. */
static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer)) {
        while (peer_request(peer) != NULL) {
            peer_tell(peer);
            if (!peer_wait(peer)) {
                return;
            }
            peer_event(peer, "TICK", NULL);
            peer_answer(peer, "{\"n\": 1}");
        }
    }
}

static void *ask(void *unused)
{
    qmp_error *error = NULL;
    qmp_buffer *reply = qmp_monitor_execute(monitor, "ask", NULL, LONG, &error);

    (void)unused;
    CHECK_OK(reply != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(reply), "n"), "1");
    qmp_buffer_free(reply);
    return NULL;
}

static pthread_t lead(int timeout)
{
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, wait_in_vain, (void *)(intptr_t)timeout), 0);
    wait_for(&begun);
    pause_ms(20);
    return thread;
}

static void to_a_blocking_call(struct peer *peer)
{
    pthread_t leader = lead(60);
    pthread_t asker;
    long long begin = now_ms();

    CHECK_INT(pthread_create(&asker, NULL, ask, NULL), 0);
    peer_heard(peer);
    /* The answer comes when the first leader has gone. */
    CHECK_INT(pthread_join(leader, NULL), 0);
    pause_ms(20);
    peer_go(peer);
    CHECK_INT(pthread_join(asker, NULL), 0);
    CHECK(now_ms() - begin < LONG / 2);
}

static void to_a_turn(struct peer *peer)
{
    pthread_t leader = lead(LONG);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    long long begin;

    /* A turn that waits beside a leader runs the callbacks which that one's reading brings. */
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    peer_heard(peer);
    peer_go(peer);
    begin = now_ms();
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK(now_ms() - begin < LONG / 2);
    CHECK_INT(qmp_monitor_cancel(mute, 0), 0);
    CHECK_INT(pthread_join(leader, NULL), 0);
    CHECK(now_ms() - begin < LONG / 2);
    log_clear(&log);
}

static void to_a_stream(struct peer *peer)
{
    pthread_t leader = lead(LONG);
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "TICK", &error);
    long long begin = now_ms();
    qmp_buffer *event;
    pthread_t asker;

    CHECK_OK(events != NULL, error);
    CHECK_INT(pthread_create(&asker, NULL, ask, NULL), 0);
    peer_heard(peer);
    peer_go(peer);
    event = qmp_events_next(events, LONG, &error);
    CHECK_OK(event != NULL, error);
    qmp_buffer_free(event);
    CHECK_INT(pthread_join(asker, NULL), 0);
    CHECK(now_ms() - begin < LONG / 2);
    CHECK_INT(qmp_monitor_cancel(mute, 0), 0);
    CHECK_INT(pthread_join(leader, NULL), 0);
    qmp_events_free(events);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);

    sem_init(&begun, 0, 0);
    reactor = NEW_REACTOR();
    monitor = OPEN_ON(reactor, peer_target(peer));
    mute = OPEN_ON(reactor, peer_target(silent));
    for (int i = 0; i < 3; i++) {
        to_a_blocking_call(peer);
        to_a_turn(peer);
        to_a_stream(peer);
    }
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
