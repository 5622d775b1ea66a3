/* Helpers around libqmp, and the log that callbacks write. */
#include "internal.h"

qmp_reactor *new_reactor(const char *file, int line)
{
    qmp_error *error = NULL;
    qmp_reactor *reactor = qmp_reactor_new(&error);
    check_ok(file, line, "qmp_reactor_new", reactor != NULL, &error);
    return reactor;
}

qmp_monitor *new_monitor(const char *file, int line, qmp_reactor *reactor, const char *target)
{
    qmp_error *error = NULL;
    qmp_monitor *monitor = qmp_monitor_new(reactor, target, &error);
    check_ok(file, line, "qmp_monitor_new", monitor != NULL, &error);
    return monitor;
}

qmp_monitor *open_monitor(const char *file, int line, qmp_reactor *reactor, const char *target)
{
    qmp_error *error = NULL;
    qmp_monitor *monitor = qmp_monitor_open(reactor, target, LONG, &error);
    check_ok(file, line, "qmp_monitor_open", monitor != NULL, &error);
    return monitor;
}

qmp_buffer *run_request(const char *file, int line, qmp_monitor *monitor, const char *request)
{
    qmp_error *error = NULL;
    qmp_buffer *reply = qmp_monitor_run(monitor, request, LONG, &error);
    check_ok(file, line, request, reply != NULL, &error);
    return reply;
}

void check_ok(const char *file, int line, const char *what, bool succeeded, qmp_error **error)
{
    if (!succeeded) {
        check_failed(file, line, "%s failed (code %d): %s", what, (int)qmp_error_code(*error),
                     qmp_error_message(*error));
    }
    if (*error != NULL) {
        check_failed(file, line, "%s succeeded and left an error: %s", what, qmp_error_message(*error));
    }
}

void check_error(const char *file, int line, qmp_error **error, int code, const char *name, const char *part)
{
    if (*error == NULL) {
        check_failed(file, line, "no error, expected %s", name);
    }
    if (qmp_error_code(*error) != code) {
        check_failed(file, line, "code %d, expected %s (%d): %s", (int)qmp_error_code(*error), name, code,
                     qmp_error_message(*error));
    }
    check_has(file, line, "the message", qmp_error_message(*error), part != NULL ? part : "");
    qmp_error_free(*error);
    *error = NULL;
}

static void note(struct log *log, const char *name, const char *json, const qmp_error *error)
{
    struct entry *entry;

    pthread_mutex_lock(&log->lock);
    CHECK(log->count < (int)(sizeof log->entries / sizeof log->entries[0]));
    entry = &log->entries[log->count++];
    entry->name = name != NULL ? strdup(name) : NULL;
    entry->json = json != NULL ? strdup(json) : NULL;
    entry->code = qmp_error_code(error);
    entry->delivery = qmp_error_delivery(error);
    entry->thread = pthread_self();
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

void log_event(void *log, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    CHECK(monitor != NULL);
    CHECK_INT(strlen(json), len);
    note(log, event, json, NULL);
}

void log_reply(void *log, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    CHECK(monitor != NULL);
    CHECK_INT(json != NULL ? strlen(json) : 0, len);
    note(log, NULL, json, error);
}

void log_done(void *log, qmp_monitor *monitor, const qmp_error *error)
{
    CHECK(monitor != NULL);
    note(log, NULL, NULL, error);
}

void log_free(void *user_data)
{
    struct log *log = user_data;
    pthread_mutex_lock(&log->lock);
    log->freed++;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);
}

int log_count(struct log *log)
{
    int count;
    pthread_mutex_lock(&log->lock);
    count = log->count;
    pthread_mutex_unlock(&log->lock);
    return count;
}

int log_freed(struct log *log)
{
    int freed;
    pthread_mutex_lock(&log->lock);
    freed = log->freed;
    pthread_mutex_unlock(&log->lock);
    return freed;
}

void log_wait(struct log *log, int count)
{
    struct timespec at = in_a_while();

    pthread_mutex_lock(&log->lock);
    while (log->count < count) {
        if (pthread_cond_timedwait(&log->changed, &log->lock, &at) != 0) {
            check_failed(__FILE__, __LINE__, "%d callbacks came, expected %d", log->count, count);
        }
    }
    pthread_mutex_unlock(&log->lock);
}

void log_turn(struct log *log, qmp_reactor *reactor, int count)
{
    long long end = now_ms() + LONG;
    qmp_error *error = NULL;

    while (log_count(log) < count) {
        check_ok(__FILE__, __LINE__, "qmp_reactor_turn", qmp_reactor_turn(reactor, 100, &error) >= 0, &error);
        if (now_ms() > end) {
            check_failed(__FILE__, __LINE__, "%d callbacks came, expected %d", log_count(log), count);
        }
    }
}

int log_find(struct log *log, const char *event)
{
    int found = -1;
    pthread_mutex_lock(&log->lock);
    for (int i = log->count - 1; i >= 0; i--) {
        if (log->entries[i].name != NULL && strcmp(log->entries[i].name, event) == 0) {
            found = i;
        }
    }
    pthread_mutex_unlock(&log->lock);
    return found;
}

void log_clear(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < log->count; i++) {
        free(log->entries[i].name);
        free(log->entries[i].json);
    }
    log->count = 0;
    pthread_mutex_unlock(&log->lock);
}
