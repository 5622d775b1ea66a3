/* fd:N is duplicated by new: the caller closes his own, and the open file becomes non-blocking. It connects once; after
 * that it is UNSUPPORTED. */
#include "harness.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", target + strlen("unix:"));
    /* Between bind and listen QEMU's socket refuses. */
    for (long long end = now_ms() + LONG; connect(fd, (struct sockaddr *)&address, sizeof address) != 0;) {
        CHECK(now_ms() < end);
        pause_ms(2);
    }
    return fd;
}

static void refused(int fd)
{
    char target[32];
    qmp_error *error = NULL;

    snprintf(target, sizeof target, "fd:%d", fd);
    CHECK(qmp_monitor_new(NULL, target, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
}

int main(void)
{
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_error *error = NULL;
    qmp_monitor *monitor, *other;
    char target[32];
    int before = count_descriptors();
    int fd = dial(qemu.target);
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int fds[2];

    snprintf(target, sizeof target, "fd:%d", fd);
    CHECK_INT(fcntl(copy, F_GETFL) & O_NONBLOCK, 0);
    monitor = NEW(target);
    CHECK((fcntl(copy, F_GETFL) & O_NONBLOCK) != 0);
    close(fd);
    CHECK_STR(qmp_monitor_target(monitor), target);
    CHECK_INT(qmp_monitor_set(monitor, "listen", "on", &error), -1);
    CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(qmp_monitor_supports(monitor, "fds"), 1);
    CHECK_RUNS(monitor);
    /* Although a copy is open, disconnect ends the connection: QEMU's only place is free again. */
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    other = OPEN(qemu.target);
    CHECK_RUNS(other);
    qmp_monitor_free(other);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
        CHECK_ERROR(error, UNSUPPORTED, target);
    }
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    qmp_monitor_free(monitor);
    close(copy);
    CHECK_INT(count_descriptors(), before);
    /* What is not a stream socket is refused. */
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    refused(fds[0]);
    close(fds[0]);
    close(fds[1]);
    refused(fds[0]);
    qemu_kill(&qemu);
    return 0;
}
