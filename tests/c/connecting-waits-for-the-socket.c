/* While the socket does not exist yet, or exists and refuses, connecting is tried again until its deadline. */
#include "harness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *connect_now(void *monitor)
{
    qmp_error *error = NULL;

    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    return NULL;
}

static int bound_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void in_vain(const char *target)
{
    qmp_monitor *monitor = NEW(target);
    qmp_error *error = NULL;
    long long begin = now_ms();

    CHECK_INT(qmp_monitor_connect(monitor, 80, &error), -1);
    CHECK(now_ms() - begin >= 79);
    CHECK(now_ms() - begin < patience(3000));
    CHECK_HAS(qmp_error_message(error), target);
    /* Refused until the end, or out of time: both are true. */
    CHECK(qmp_error_code(error) == QMP_CODE_CONNECT || qmp_error_code(error) == QMP_CODE_TIMEOUT);
    qmp_error_free(error);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
    qmp_monitor_free(monitor);
}

int main(void)
{
    const char *path = own_path("late");
    char target[160];
    pthread_t thread;
    qmp_monitor *monitor;
    struct qemu qemu;
    int refusing;

    snprintf(target, sizeof target, "unix:%s", path);
    in_vain(target);
    in_vain("unix:@libqmp-test-nobody-listens-here");
    in_vain("unix:/no/such/directory/socket");
    /* Nothing there; then a socket that nobody listens on; then QEMU. */
    monitor = NEW(target);
    CHECK_INT(pthread_create(&thread, NULL, connect_now, monitor), 0);
    pause_ms(50);
    refusing = bound_socket(path);
    pause_ms(50);
    CHECK_INT(unlink(path), 0);
    close(refusing);
    qemu = qemu_start_at(QEMU_COMPACT, path);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);
    return 0;
}
