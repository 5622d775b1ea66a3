/* Unsubscribing, or freeing the monitor, inside a callback: of the events that wait already not one more comes; unsubscribing
 * in another thread lets the one that runs end. */
#include "harness.h"

#define EVENTS 20

struct counter {
    uint64_t id;
    int calls, freed;
    bool frees, by_thread;
    qmp_monitor *monitor;
};

static void count_free(void *user_data)
{
    ((struct counter *)user_data)->freed++;
}

static void *unsubscribe(void *user_data)
{
    struct counter *counter = user_data;

    CHECK_INT(qmp_monitor_unsubscribe(counter->monitor, counter->id), 0);
    CHECK_INT(counter->freed, 0);
    return NULL;
}

static void third_is_last(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    struct counter *counter = user_data;
    pthread_t thread;

    (void)event, (void)json, (void)len;
    if (++counter->calls != 3) {
        return;
    }
    if (counter->frees) {
        qmp_monitor_free(monitor);
    } else if (counter->by_thread) {
        CHECK_INT(pthread_create(&thread, NULL, unsubscribe, counter), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
    } else {
        CHECK_INT(qmp_monitor_unsubscribe(monitor, counter->id), 0);
    }
    CHECK_INT(counter->freed, 0);
}

static void ends_with_the_third(bool frees, bool by_thread)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, qemu.target);
    struct counter counter = {0, 0, 0, frees, by_thread, monitor};
    struct log rest = LOG_INIT;
    qmp_error *error = NULL;

    counter.id = qmp_monitor_subscribe(monitor, NULL, third_is_last, &counter, count_free, &error);
    CHECK_OK(counter.id != 0, error);
    for (int i = 0; i < EVENTS / 2; i++) {
        qmp_buffer_free(RUN(monitor, "{\"execute\": \"stop\"}"));
        qmp_buffer_free(RUN(monitor, "{\"execute\": \"cont\"}"));
    }
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"query-status\"}", LONG, log_reply, &rest, log_free, &error) != 0,
             error);
    /* The answer comes whatever became of the events. */
    log_turn(&rest, reactor, 1);
    CHECK_INT(counter.calls, 3);
    CHECK_INT(counter.freed, 1);
    log_clear(&rest);
    if (!frees) {
        qmp_monitor_free(monitor);
    }
    CHECK_INT(counter.freed, 1);
    qmp_reactor_free(reactor);
    qemu_kill(&qemu);
}

int main(void)
{
    ends_with_the_third(false, false);
    ends_with_the_third(false, true);
    ends_with_the_third(true, false);
    return 0;
}
