/* A command that a callback starts is written before the callback waits for what comes of it, also while a thread that
 * makes a blocking call has the lead. */
#include "harness.h"

static qmp_monitor *monitor, *mute;
static qmp_events *events;
static struct log log = LOG_INIT;
static sem_t begun;

static void *wait_in_vain(void *unused)
{
    qmp_error *error = NULL;

    (void)unused;
    sem_post(&begun);
    CHECK(qmp_monitor_execute(mute, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

/* Each command is preceded by an event that tells of it. */
static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer)) {
        while (peer_request(peer) != NULL && peer_event(peer, "DONE", NULL) && peer_answer(peer, "{}")) {
        }
    }
}

static void start_and_wait(void *user_data, qmp_monitor *self, const qmp_error *error, const char *json, size_t len)
{
    qmp_error *failure = NULL;
    qmp_buffer *event = qmp_events_next(events, 0, &failure);

    /* The event of the command that this is the answer to. */
    CHECK_OK(event != NULL, failure);
    qmp_buffer_free(event);
    CHECK_OK(qmp_monitor_start(self, "{\"execute\": \"b\"}", LONG, log_reply, user_data, NULL, &failure) != 0, failure);
    event = qmp_events_next(events, LONG / 4, &failure);
    CHECK_OK(event != NULL, failure);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), "\"DONE\"");
    qmp_buffer_free(event);
    log_reply(user_data, self, error, json, len);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_error *error = NULL;
    pthread_t leader;

    sem_init(&begun, 0, 0);
    monitor = OPEN_ON(reactor, peer_target(peer));
    mute = OPEN_ON(reactor, peer_target(silent));
    events = qmp_monitor_events(monitor, "DONE", &error);
    CHECK_OK(events != NULL, error);
    CHECK_INT(pthread_create(&leader, NULL, wait_in_vain, NULL), 0);
    wait_for(&begun);
    pause_ms(30);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"a\"}", LONG, start_and_wait, &log, NULL, &error) != 0, error);
    log_turn(&log, reactor, 2);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK_INT(log.entries[1].code, QMP_CODE_OK);
    CHECK_INT(qmp_monitor_cancel(mute, 0), 0);
    CHECK_INT(pthread_join(leader, NULL), 0);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    log_clear(&log);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
