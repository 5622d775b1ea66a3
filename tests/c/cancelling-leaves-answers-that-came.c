/* A blocked call whose answer has arrived is not open any more: cancelling everything does not take the answer away,
 * although its thread has not returned yet. */
#include "harness.h"

static qmp_monitor *monitor;

/* Takes two requests, then answers both in one piece. */
static void script(struct peer *peer, void *arg)
{
    char first[64];

    (void)arg;
    if (!peer_greet(peer)) {
        return;
    }
    while (peer_request(peer) != NULL) {
        snprintf(first, sizeof first, "%s", peer_id(peer));
        peer_tell(peer);
        if (peer_request(peer) == NULL ||
            !peer_printf(peer, "{\"return\": {}, \"id\": %s}\r\n{\"return\": {}, \"id\": %s}\r\n", first, peer_id(peer))) {
            return;
        }
    }
}

static void *ask(void *unused)
{
    qmp_error *error = NULL;
    qmp_buffer *reply = qmp_monitor_execute(monitor, "ask", NULL, LONG, &error);

    (void)unused;
    CHECK_OK(reply != NULL, error);
    qmp_buffer_free(reply);
    return NULL;
}

static void cancel_all(void *user_data, qmp_monitor *self, const qmp_error *error, const char *json, size_t len)
{
    qmp_monitor_cancel(self, 0);
    log_reply(user_data, self, error, json, len);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    pthread_t thread;

    monitor = OPEN(peer_target(peer));
    CHECK_OK(qmp_reactor_start(qmp_monitor_reactor(monitor), &error) == 0, error);
    for (int i = 0; i < amount(200, 20); i++) {
        CHECK_INT(pthread_create(&thread, NULL, ask, NULL), 0);
        peer_heard(peer);
        /* By the time that this callback runs the other answer has been read. */
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, cancel_all, &log, NULL, &error) != 0, error);
        CHECK_INT(pthread_join(thread, NULL), 0);
        log_wait(&log, i + 1);
        CHECK_INT(log.entries[i].code, QMP_CODE_OK);
    }
    qmp_monitor_free(monitor);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
