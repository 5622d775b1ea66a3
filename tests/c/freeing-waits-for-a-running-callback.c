/* Freeing a monitor, and stopping a reactor, wait for the callback that runs in another thread; then nothing runs. */
#include "harness.h"

static sem_t inside, leave;
static int running, calls;

static void slow(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)user_data, (void)monitor, (void)error, (void)json, (void)len;
    __atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    sem_post(&inside);
    wait_for(&leave);
    /* Still all there. */
    CHECK_INT(qmp_monitor_cancel(monitor, UINT64_MAX), -1);
    __atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
}

static void *let_it_leave(void *unused)
{
    (void)unused;
    pause_ms(40);
    CHECK_INT(__atomic_load_n(&running, __ATOMIC_SEQ_CST), 1);
    sem_post(&leave);
    return NULL;
}

static void wait_by(const char *target, bool by_free)
{
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    pthread_t thread;

    calls = 0;
    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, slow, &log, log_free, &error) != 0, error);
    wait_for(&inside);
    CHECK_INT(pthread_create(&thread, NULL, let_it_leave, NULL), 0);
    if (by_free) {
        qmp_monitor_free(monitor);
    } else {
        CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    }
    CHECK_INT(__atomic_load_n(&running, __ATOMIC_SEQ_CST), 0);
    if (!by_free) {
        qmp_monitor_free(monitor);
    }
    CHECK_INT(log_freed(&log), 2);
    CHECK_INT(calls, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    qmp_reactor_free(reactor);
    log_clear(&log);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);

    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    for (int i = 0; i < 5; i++) {
        wait_by(peer_target(peer), true);
        wait_by(peer_target(peer), false);
    }
    peer_end(peer);
    return 0;
}
