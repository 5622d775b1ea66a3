/* Sixteen threads on one monitor, with nobody turning, with a foreign turn, and with the library's thread beside. */
#include "harness.h"

#define THREADS 16

static qmp_monitor *monitor;
static bool over;

static void *work(void *arg)
{
    int thread = (int)(intptr_t)arg;

    for (int i = 0; i < amount(200, 15); i++) {
        char request[120];
        char text[32];
        qmp_buffer *reply;

        snprintf(text, sizeof text, "\"%d-%d\"", thread, i);
        snprintf(request, sizeof request, "{\"execute\": \"echo\", \"arguments\": {\"who\": %s}, \"id\": %s}", text,
                 text);
        reply = RUN(monitor, request);
        CHECK_STR(json_get(qmp_buffer_data(reply), "id"), text);
        CHECK_STR(json_get(qmp_buffer_data(reply), "return.who"), text);
        qmp_buffer_free(reply);
    }
    return NULL;
}

static void *turn(void *reactor)
{
    qmp_error *error = NULL;

    while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
        CHECK_OK(qmp_reactor_turn(reactor, 5, &error) >= 0, error);
    }
    return NULL;
}

static void all_at_once(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_error *error = NULL;
    pthread_t turner;

    monitor = OPEN_ON(reactor, peer_target(peer));
    all_at_once();
    CHECK_INT(pthread_create(&turner, NULL, turn, reactor), 0);
    all_at_once();
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    CHECK_INT(pthread_join(turner, NULL), 0);
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    all_at_once();
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
