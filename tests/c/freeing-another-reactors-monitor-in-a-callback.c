/* A callback may free a monitor of another reactor, even while that one's callback frees ours: nobody waits. */
#include "harness.h"

static qmp_monitor *monitors[2];
static struct log logs[2] = {LOG_INIT, LOG_INIT};
static sem_t here[2];

/* Both callbacks are inside at once, then each frees the other's monitor. */
static void free_the_other(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    int own = (int)(intptr_t)user_data;

    CHECK(error == NULL);
    CHECK(monitor == monitors[own]);
    (void)json, (void)len;
    sem_post(&here[own]);
    wait_for(&here[1 - own]);
    qmp_monitor_free(monitors[1 - own]);
}

static void *turn(void *reactor)
{
    int own = reactor == qmp_monitor_reactor(monitors[0]) ? 0 : 1;
    qmp_error *error = NULL;
    long long end = now_ms() + LONG;

    while (log_freed(&logs[own]) < 1) {
        CHECK_OK(qmp_reactor_turn(reactor, 50, &error) >= 0, error);
        CHECK(now_ms() < end);
    }
    return NULL;
}

int main(void)
{
    struct peer *peers[2];
    qmp_reactor *reactors[2];
    pthread_t threads[2];
    qmp_error *error = NULL;

    for (int i = 0; i < 2; i++) {
        sem_init(&here[i], 0, 0);
        peers[i] = peer_start(PEER_UNIX, script_echo, NULL);
        reactors[i] = NEW_REACTOR();
        monitors[i] = OPEN_ON(reactors[i], peer_target(peers[i]));
    }
    for (int i = 0; i < 2; i++) {
        CHECK_OK(qmp_monitor_subscribe(monitors[i], "NEVER", log_event, &logs[i], log_free, &error) != 0, error);
        CHECK_OK(qmp_monitor_start(monitors[i], "{\"execute\": \"x\"}", LONG, free_the_other, (void *)(intptr_t)i,
                                   NULL, &error) != 0, error);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(log_freed(&logs[i]), 0);
        CHECK_INT(pthread_create(&threads[i], NULL, turn, reactors[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        CHECK_INT(log_freed(&logs[i]), 1);
        qmp_reactor_free(reactors[i]);
        peer_end(peers[i]);
        log_clear(&logs[i]);
    }
    return 0;
}
