/* A callback that takes its time delays other callbacks, never a blocking call of another thread, nor a deadline. */
#include "harness.h"

#define WORKERS 4

static sem_t inside, leave;
static struct log replies = LOG_INIT;

static void slow(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    sem_post(&inside);
    wait_for(&leave);
    log_reply(user_data, monitor, error, json, len);
}

static void *work(void *monitor)
{
    for (int i = 0; i < amount(200, 20); i++) {
        char arguments[32];
        qmp_error *error = NULL;
        qmp_buffer *reply;

        snprintf(arguments, sizeof arguments, "{\"n\": %d}", i);
        reply = qmp_monitor_execute(monitor, "echo", arguments, LONG, &error);
        CHECK_OK(reply != NULL, error);
        CHECK_INT(atoi(json_get(qmp_buffer_data(reply), "n")), i);
        qmp_buffer_free(reply);
    }
    return NULL;
}

static void *turn(void *reactor)
{
    log_turn(&replies, reactor, 2);
    return NULL;
}

static void beside(bool started)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_monitor *mute = OPEN_ON(reactor, peer_target(silent));
    pthread_t workers[WORKERS];
    pthread_t turner;
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, slow, &replies, NULL, &error) != 0, error);
    if (started) {
        CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    } else {
        CHECK_INT(pthread_create(&turner, NULL, turn, reactor), 0);
    }
    wait_for(&inside);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_create(&workers[i], NULL, work, monitor), 0);
    }
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"y\"}", LONG, log_reply, &replies, NULL, &error) != 0, error);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_join(workers[i], NULL), 0);
    }
    /* A deadline comes in time as well, and the callback is still inside. */
    CHECK(qmp_monitor_execute(mute, "query-status", NULL, 30, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    CHECK_INT(log_count(&replies), 0);
    sem_post(&leave);
    log_wait(&replies, 2);
    if (!started) {
        CHECK_INT(pthread_join(turner, NULL), 0);
    }
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    log_clear(&replies);
    peer_end(peer);
    peer_end(silent);
}

int main(void)
{
    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    beside(false);
    beside(true);
    return 0;
}
