/* Option listen: QEMU dials in. The path is made for it, removed behind it, and nothing that exists is overwritten. */
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct qemu dial_in(const char *path)
{
    struct stat info;
    long long end = now_ms() + LONG;

    while (stat(path, &info) != 0) {
        CHECK(now_ms() < end);
        pause_ms(2);
    }
    return qemu_start_at(QEMU_DIALS_IN, path);
}

/* A QEMU that dies with its thread would be gone too early: it is started by the main thread,
 * the monitor waits here. */
static void *listen_and_use(void *target)
{
    qmp_monitor *monitor = NEW(target);
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_set(monitor, "listen", "on", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(qmp_monitor_supports(monitor, "events"), 1);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    return NULL;
}

static void nobody_comes(void)
{
    qmp_monitor *monitor;
    qmp_error *error = NULL;
    const char *path = own_path("nobody");
    char target[160];
    struct stat info;

    snprintf(target, sizeof target, "unix:%s", path);
    monitor = NEW(target);
    CHECK_OK(qmp_monitor_set(monitor, "listen", "on", &error) == 0, error);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(qmp_monitor_connect(monitor, 50, &error), -1);
        CHECK_ERROR(error, TIMEOUT, target);
    }
    qmp_monitor_free(monitor);
    CHECK(stat(path, &info) != 0);
}

static void a_file_is_in_the_way(void)
{
    const char *path = own_path("file");
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    qmp_monitor *monitor;
    qmp_error *error = NULL;
    char target[160];
    struct stat info;

    CHECK(fd >= 0);
    CHECK_INT(write(fd, "precious", 8), 8);
    close(fd);
    snprintf(target, sizeof target, "unix:%s", path);
    monitor = NEW(target);
    CHECK_OK(qmp_monitor_set(monitor, "listen", "on", &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK_HAS(qmp_error_message(error), path);
    CHECK_ERROR(error, CONNECT, NULL);
    qmp_monitor_free(monitor);
    CHECK_INT(stat(path, &info), 0);
    CHECK_INT(info.st_size, 8);
}

int main(void)
{
    const char *path = own_path("dial");
    char target[160];
    pthread_t listener;

    snprintf(target, sizeof target, "unix:%s", path);
    for (int round = 0; round < 2; round++) {
        struct qemu qemu;
        CHECK_INT(pthread_create(&listener, NULL, listen_and_use, target), 0);
        qemu = dial_in(path);
        CHECK_INT(pthread_join(listener, NULL), 0);
        qemu_kill(&qemu);
    }
    nobody_comes();
    a_file_is_in_the_way();
    return 0;
}
