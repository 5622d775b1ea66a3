/* A foreign loop while other threads make blocking calls: it neither sleeps on queued callbacks nor spins. */
#include "harness.h"

#define WORKERS 4

static qmp_monitor *monitor;
static int working = WORKERS;

static void *work(void *unused)
{
    qmp_error *error = NULL;

    (void)unused;
    for (int i = 0; i < amount(500, 50); i++) {
        char arguments[32];
        qmp_buffer *reply;

        snprintf(arguments, sizeof arguments, "{\"n\": %d}", i);
        reply = qmp_monitor_execute(monitor, "echo", arguments, LONG, &error);
        CHECK_OK(reply != NULL, error);
        CHECK_INT(atoi(json_get(qmp_buffer_data(reply), "n")), i);
        qmp_buffer_free(reply);
    }
    __atomic_sub_fetch(&working, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Every callback that the workers' reading brings in is run within its time, though they do the I/O. */
static void callbacks_come(qmp_reactor *reactor, int fd)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    for (int i = 0; i < 400 && __atomic_load_n(&working, __ATOMIC_SEQ_CST) > 0; i++) {
        long long end = now_ms() + LONG;
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
        while (log_count(&log) <= i) {
            CHECK(wait_until_ready(fd, (int)(end - now_ms())));
            CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
        }
    }
    log_clear(&log);
}

/* A blocking call that waits for an answer which does not come: the loop sleeps through it. */
static void *wait_in_vain(void *mute)
{
    qmp_error *error = NULL;

    CHECK(qmp_monitor_execute(mute, "query-status", NULL, 300, &error) == NULL);
    CHECK_ERROR(error, TIMEOUT, NULL);
    __atomic_store_n(&working, 0, __ATOMIC_SEQ_CST);
    return NULL;
}

static void nothing_spins(qmp_reactor *reactor, int fd, qmp_monitor *mute)
{
    pthread_t thread;
    int polls = 0;
    qmp_error *error = NULL;

    __atomic_store_n(&working, 1, __ATOMIC_SEQ_CST);
    CHECK_INT(pthread_create(&thread, NULL, wait_in_vain, mute), 0);
    while (__atomic_load_n(&working, __ATOMIC_SEQ_CST) > 0) {
        if (wait_until_ready(fd, 20)) {
            CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
        }
        polls++;
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(polls < 100);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *mute = OPEN_ON(reactor, peer_target(silent));
    pthread_t workers[WORKERS];
    qmp_error *error = NULL;
    int fd = qmp_reactor_fd(reactor);

    CHECK(fd >= 0);
    monitor = OPEN_ON(reactor, peer_target(peer));
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_create(&workers[i], NULL, work, NULL), 0);
    }
    callbacks_come(reactor, fd);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(pthread_join(workers[i], NULL), 0);
    }
    while (wait_until_ready(fd, 0)) {
        CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    }
    nothing_spins(reactor, fd, mute);
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
