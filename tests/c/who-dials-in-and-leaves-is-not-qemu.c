/* Somebody who connects to a waiting monitor and leaves without a word (a port scan, a look whether a socket is in use) does
 * not end the wait for QEMU. */
#include "harness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void turn(qmp_reactor *reactor)
{
    qmp_error *error = NULL;

    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
}

int main(void)
{
    const char *path = own_path("monitor");
    char target[160];
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor, *second;
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int qemu;

    snprintf(target, sizeof target, "unix:%s", path);
    monitor = NEW_ON(reactor, target);
    CHECK_OK(qmp_monitor_set(monitor, "listen", "on", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect_start(monitor, LONG, log_done, &log, NULL, &error) == 0, error);
    for (int i = 0; i < 3; i++) {
        close(dial(path));
        turn(reactor);
        turn(reactor);
    }
    /* A second monitor that would wait there too is refused, and leaves the first one in peace. */
    second = NEW(target);
    CHECK_OK(qmp_monitor_set(second, "listen", "on", &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(second, LONG, &error), -1);
    CHECK_ERROR(error, CONNECT, NULL);
    turn(reactor);
    turn(reactor);
    CHECK_INT(log_count(&log), 0);

    qemu = dial(path);
    say(qemu, GREETING(""));
    turn(reactor);
    turn(reactor);
    say(qemu, "{\"return\": {}, \"id\": 0}\r\n");
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    /* It has done its work. */
    CHECK_INT(access(path, F_OK), -1);

    qmp_monitor_free(second);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    close(qemu);
    log_clear(&log);
    return 0;
}
