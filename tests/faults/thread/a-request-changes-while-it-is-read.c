/* REPORT: ThreadSanitizer: data race */
/* One thread writes a request while the library reads it in another. */
#include "harness.h"

static char request[] = "{\"execute\": \"query-status\"}";
static bool over;

static void *scribble(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        *(volatile char *)&request[14] = 'q';
    }
    return NULL;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    pthread_t writer;

    CHECK_INT(pthread_create(&writer, NULL, scribble, NULL), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_RUNS(monitor);
        qmp_buffer_free(RUN(monitor, request));
    }
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    CHECK_INT(pthread_join(writer, NULL), 0);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
