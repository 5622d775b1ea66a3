/* A monitor that waits for QEMU to dial in removes its socket at the end of the wait; not one that somebody else has put
 * there meanwhile. */
#include "harness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void wait_in_vain(const char *path, bool replace)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char target[160];
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor;
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    int other = -1;

    snprintf(target, sizeof target, "unix:%s", path);
    monitor = NEW_ON(reactor, target);
    CHECK_OK(qmp_monitor_set(monitor, "listen", "on", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect_start(monitor, patience(100), log_done, &log, NULL, &error) == 0, error);
    CHECK_INT(access(path, F_OK), 0);
    if (replace) {
        other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(unlink(path), 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        CHECK_INT(bind(other, (struct sockaddr *)&address, sizeof address), 0);
    }
    log_turn(&log, reactor, 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_TIMEOUT);
    CHECK_INT(access(path, F_OK), replace ? 0 : -1);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    log_clear(&log);
    if (replace) {
        close(other);
    }
}

int main(void)
{
    wait_in_vain(own_path("own"), false);
    wait_in_vain(own_path("replaced"), true);
    return 0;
}
