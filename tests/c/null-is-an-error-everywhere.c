/* NULL where an object or a string is needed is INVALID_ARGUMENT, never a crash; a NULL error pointer is allowed. */
#include "harness.h"

static void accessors_take_null(void)
{
    CHECK_INT(qmp_error_code(NULL), QMP_CODE_OK);
    qmp_error_message(NULL);
    CHECK(qmp_error_desc(NULL) == NULL);
    CHECK_INT(qmp_error_libvirt(NULL), 0);
    CHECK(qmp_error_copy(NULL) == NULL);
    CHECK(qmp_error_class(NULL) == NULL);
    CHECK(qmp_error_reply(NULL) == NULL);
    CHECK_INT(qmp_error_errno(NULL), 0);
    qmp_error_delivery(NULL);
    qmp_error_free(NULL);
    qmp_buffer_data(NULL);
    CHECK_INT(qmp_buffer_len(NULL), 0);
    qmp_buffer_free(NULL);
    qmp_reactor_wake(NULL);
    qmp_reactor_free(NULL);
    qmp_monitor_free(NULL);
    qmp_events_free(NULL);
    CHECK(qmp_monitor_reactor(NULL) == NULL);
    CHECK(qmp_monitor_target(NULL) == NULL);
    CHECK_INT(qmp_monitor_state(NULL), -1);
    CHECK_INT(qmp_monitor_supports(NULL, "events"), -1);
    CHECK_INT(qmp_monitor_cancel(NULL, 0), -1);
    CHECK_INT(qmp_monitor_unsubscribe(NULL, 1), -1);
    CHECK_INT(qmp_events_close(NULL), -1);
    CHECK_INT(qmp_credentials_set(NULL, "username", "x"), -1);
}

/* Every call that reports errors: once with an error pointer, once without. */
static void objects_are_needed(qmp_error **err, qmp_error *const *made)
{
    struct log log = LOG_INIT;
    const char *request = "{\"execute\": \"stop\"}";

#define NEEDS(call, failure) \
    do { \
        CHECK((call) == (failure)); \
        if (err != NULL) { \
            qmp_error *error = *made; \
            CHECK_ERROR(error, INVALID_ARGUMENT, "NULL"); \
            *err = NULL; \
        } \
    } while (0)
    CHECK_INT(qmp_reactor_fd(NULL), -1);
    NEEDS(qmp_reactor_turn(NULL, 0, err), -1);
    NEEDS(qmp_reactor_start(NULL, err), -1);
    NEEDS(qmp_reactor_stop(NULL, err), -1);
    NEEDS(qmp_monitor_new(NULL, NULL, err), NULL);
    NEEDS(qmp_monitor_open(NULL, NULL, 0, err), NULL);
    NEEDS(qmp_monitor_set(NULL, "timeout", "1", err), -1);
    NEEDS(qmp_monitor_connect(NULL, 0, err), -1);
    NEEDS(qmp_monitor_connect_start(NULL, 0, log_done, &log, log_free, err), -1);
    NEEDS(qmp_monitor_set_credentials(NULL, NULL, &log, log_free, err), -1);
    NEEDS(qmp_monitor_disconnect(NULL, err), -1);
    NEEDS(qmp_monitor_greeting(NULL, err), NULL);
    NEEDS(qmp_monitor_run(NULL, request, 0, err), NULL);
    NEEDS(qmp_monitor_execute(NULL, "stop", NULL, 0, err), NULL);
    NEEDS(qmp_monitor_run_with_fds(NULL, request, NULL, 0, 0, err), NULL);
    NEEDS(qmp_monitor_start(NULL, request, 0, log_reply, &log, log_free, err), 0);
    NEEDS(qmp_monitor_start_with_fds(NULL, request, NULL, 0, 0, log_reply, &log, log_free, err), 0);
    NEEDS(qmp_monitor_subscribe(NULL, NULL, log_event, &log, log_free, err), 0);
    NEEDS(qmp_monitor_events(NULL, NULL, err), NULL);
    NEEDS(qmp_events_next(NULL, 0, err), NULL);
    NEEDS(qmp_events_fd(NULL, err), -1);
    CHECK_INT(log_freed(&log), 5);
    CHECK_INT(log_count(&log), 0);
}

static void strings_and_callbacks_are_needed(qmp_error **err, qmp_error *const *made)
{
    struct log log = LOG_INIT;
    qmp_monitor *monitor = NEW("unix:/nowhere");

    NEEDS(qmp_monitor_set(monitor, NULL, "1", err), -1);
    NEEDS(qmp_monitor_set(monitor, "timeout", NULL, err), -1);
    NEEDS(qmp_monitor_run(monitor, NULL, 0, err), NULL);
    NEEDS(qmp_monitor_execute(monitor, NULL, "{}", 0, err), NULL);
    NEEDS(qmp_monitor_run_with_fds(monitor, NULL, NULL, 0, 0, err), NULL);
    NEEDS(qmp_monitor_run_with_fds(monitor, "{\"execute\": \"getfd\"}", NULL, 1, 0, err), NULL);
    NEEDS(qmp_monitor_start(monitor, NULL, 0, log_reply, &log, log_free, err), 0);
    NEEDS(qmp_monitor_start(monitor, "{\"execute\": \"stop\"}", 0, NULL, &log, log_free, err), 0);
    NEEDS(qmp_monitor_start_with_fds(monitor, NULL, NULL, 0, 0, log_reply, &log, log_free, err), 0);
    NEEDS(qmp_monitor_start_with_fds(monitor, "{\"execute\": \"stop\"}", NULL, 2, 0, log_reply, &log, log_free, err),
          0);
    NEEDS(qmp_monitor_connect_start(monitor, 0, NULL, &log, log_free, err), -1);
    NEEDS(qmp_monitor_set_credentials(monitor, NULL, &log, log_free, err), -1);
    NEEDS(qmp_monitor_subscribe(monitor, NULL, NULL, &log, log_free, err), 0);
    CHECK_INT(qmp_monitor_supports(monitor, NULL), -1);
    CHECK_INT(log_freed(&log), 7);
    CHECK_INT(log_count(&log), 0);
    qmp_monitor_free(monitor);
}

int main(void)
{
    qmp_error *error = NULL;

    accessors_take_null();
    objects_are_needed(&error, &error);
    objects_are_needed(NULL, NULL);
    strings_and_callbacks_are_needed(&error, &error);
    strings_and_callbacks_are_needed(NULL, NULL);
    return 0;
}
