/* A child that execs, or just exits, inherits nothing of ours across exec and does not disturb the parent's link. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct peer *peer;

/* In the exec'd child: only the three standard descriptors may be open. (valgrind's own are far above.) */
static int look_around(void)
{
    for (int fd = 3; fd < 512; fd++) {
        if (fcntl(fd, F_GETFD) != -1) {
            char link[64];
            char name[256];
            ssize_t n;
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            n = readlink(link, name, sizeof name - 1);
            name[n > 0 ? n : 0] = '\0';
            fprintf(stderr, "descriptor %d crossed exec: %s\n", fd, name);
            return 1;
        }
    }
    return 0;
}

static void child_ends_well(pid_t pid, bool execed)
{
    int status;

    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    /* valgrind makes an error of what a child that just exits has not freed, as it must not. */
    CHECK(WIFEXITED(status) && (status == 0 || (is_slow() && !execed)));
}

static pid_t exec_myself(char *self)
{
    char *argv[] = {self, (char *)(uintptr_t)"look-around", NULL};
    pid_t pid = fork();

    if (pid == 0) {
        execv(self, argv);
        _exit(126);
    }
    return pid;
}

static pid_t exit_at_once(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    return pid;
}

int main(int argc, char **argv)
{
    qmp_reactor *reactor;
    qmp_monitor *monitor, *as_target;
    qmp_error *error = NULL;
    qmp_events *events;

    if (argc > 1) {
        return look_around();
    }
    /* What the runner left open is no concern of this test. */
    for (int fd = 3; fd < 512; fd++) {
        close(fd);
    }
    peer = peer_start(PEER_UNIX, script_echo, NULL);
    reactor = NEW_REACTOR();
    monitor = OPEN_ON(reactor, peer_target(peer));
    as_target = NEW("unix:@nobody-at-all");
    events = qmp_monitor_events(monitor, NULL, &error);
    CHECK_OK(events != NULL, error);
    CHECK(qmp_reactor_fd(reactor) >= 0);
    CHECK_OK(qmp_events_fd(events, &error) >= 0, error);
    for (int i = 0; i < 5; i++) {
        child_ends_well(exec_myself(argv[0]), true);
        CHECK_RUNS(monitor);
        child_ends_well(exit_at_once(), false);
        CHECK_RUNS(monitor);
    }
    CHECK_OK(qmp_reactor_start(reactor, &error) == 0, error);
    child_ends_well(exec_myself(argv[0]), true);
    CHECK_RUNS(monitor);
    CHECK_OK(qmp_reactor_stop(reactor, &error) == 0, error);
    qmp_events_free(events);
    qmp_monitor_free(as_target);
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    peer_end(peer);
    return 0;
}
