/* getfd and add-fd on a real QEMU: each command takes its own descriptor, from several threads at once too. */
#include "harness.h"

#include <fcntl.h>
#include <unistd.h>

#define THREADS 4
#define EACH 25

static qmp_monitor *monitor;

static void add_one(int thread, int i)
{
    char request[200];
    char opaque[32];
    qmp_error *error = NULL;
    int32_t fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    qmp_buffer *reply;

    CHECK(fd >= 0);
    snprintf(opaque, sizeof opaque, "%d-%d", thread, i);
    snprintf(request, sizeof request,
             "{\"execute\": \"add-fd\", \"arguments\": {\"opaque\": \"%s\"}, \"id\": \"%s\"}", opaque, opaque);
    reply = qmp_monitor_run_with_fds(monitor, request, &fd, 1, LONG, &error);
    close(fd);
    CHECK_OK(reply != NULL, error);
    CHECK(json_get(qmp_buffer_data(reply), "return.fd")[0] != '\0');
    CHECK_HAS(json_get(qmp_buffer_data(reply), "id"), opaque);
    qmp_buffer_free(reply);
    /* Commands without descriptors go between them. */
    CHECK_RUNS(monitor);
}

static void *add_many(void *arg)
{
    for (int i = 0; i < amount(EACH, 4); i++) {
        add_one((int)(intptr_t)arg, i);
    }
    return NULL;
}

static void by_name(void)
{
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int32_t fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int before;

    /* What the reactor makes on first use is there from now on. */
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), 1, &error), 0);
    before = count_descriptors();
    qmp_buffer_free(qmp_monitor_run_with_fds(monitor, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"a\"}}",
                                             &fd, 1, LONG, &error));
    CHECK_OK(true, error);
    CHECK_OK(qmp_monitor_start_with_fds(monitor, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"b\"}}", &fd,
                                        1, LONG, log_reply, &log, NULL, &error) != 0, error);
    close(fd);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    CHECK_INT(count_descriptors(), before - 1);
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"closefd\", \"arguments\": {\"fdname\": \"a\"}}"));
    qmp_buffer_free(RUN(monitor, "{\"execute\": \"closefd\", \"arguments\": {\"fdname\": \"b\"}}"));
    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"c\"}}", LONG,
                          &error) == NULL);
    CHECK_ERROR(error, COMMAND, NULL);
    log_clear(&log);
}

static void bad_descriptors(void)
{
    static const char request[] = "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"x\"}}";
    qmp_error *error = NULL;
    int32_t bad[2] = {-1, 999999};
    int32_t many[300] = {0};

    for (int i = 0; i < 2; i++) {
        CHECK(qmp_monitor_run_with_fds(monitor, request, &bad[i], 1, LONG, &error) == NULL);
        CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
        CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    }
    CHECK(qmp_monitor_run_with_fds(monitor, request, many, 300, LONG, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, "300");
    /* A count that no array can have: what a -1 becomes. */
    CHECK(qmp_monitor_run_with_fds(monitor, request, many, SIZE_MAX, LONG, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, "descriptors");
}

static void not_over_tcp(void)
{
    struct peer *peer = peer_start(PEER_TCP, script_echo, NULL);
    qmp_monitor *tcp = OPEN(peer_target(peer));
    qmp_error *error = NULL;
    int32_t fd = 0;

    CHECK_INT(qmp_monitor_supports(monitor, "fds"), 1);
    CHECK_INT(qmp_monitor_supports(tcp, "fds"), 0);
    CHECK(qmp_monitor_run_with_fds(tcp, "{\"execute\": \"x\"}", &fd, 1, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, UNSUPPORTED, NULL);
    CHECK_RUNS(tcp);
    qmp_monitor_free(tcp);
    peer_end(peer);
}

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    pthread_t threads[THREADS];
    qmp_buffer *sets;
    int count = 0;

    monitor = OPEN(qemu.target);
    by_name();
    bad_descriptors();
    not_over_tcp();
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, add_many, (void *)(intptr_t)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    sets = RUN(monitor, "{\"execute\": \"query-fdsets\"}");
    for (const char *at = qmp_buffer_data(sets); (at = strstr(at, "\"opaque\"")) != NULL; at++) {
        count++;
    }
    CHECK_INT(count, THREADS * amount(EACH, 4));
    qmp_buffer_free(sets);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
