/* The library writes nothing to stdout or stderr, and every descriptor that it makes is close-on-exec. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void all_close_on_exec(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd > 2 && fd < 512) {
            CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    closedir(dir);
}

static void do_everything_badly(const char *target)
{
    qmp_error *error = NULL;
    qmp_monitor *monitor = OPEN(target);
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);

    CHECK_OK(qmp_events_fd(events, &error) >= 0, error);
    CHECK(qmp_reactor_fd(qmp_monitor_reactor(monitor)) >= 0);
    all_close_on_exec();
    CHECK(qmp_monitor_run(monitor, "nonsense", LONG, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    CHECK(qmp_monitor_open(NULL, "nonsense", LONG, &error) == NULL);
    CHECK_ERROR(error, INVALID_ARGUMENT, NULL);
    CHECK(qmp_monitor_open(NULL, "unix:/nowhere/at/all", 20, &error) == NULL);
    qmp_error_free(error);
    qmp_monitor_free(monitor);
    qmp_events_free(events);
}

int main(void)
{
    struct peer *peer;
    struct stat info;
    int before;
    int out = open(own_path("output"), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    int saved[2];

    CHECK(out >= 0);
    for (int fd = 3; fd < 512; fd++) {
        if (fd != out) {
            close(fd);
        }
    }
    peer = peer_start(PEER_UNIX, script_echo, NULL);
    for (int i = 0; i < 2; i++) {
        saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 0);
        CHECK(saved[i] >= 0);
    }
    before = count_descriptors();
    for (int i = 0; i < 2; i++) {
        CHECK_INT(dup2(out, i + 1), i + 1);
    }
    do_everything_badly(peer_target(peer));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(dup2(saved[i], i + 1), i + 1);
        close(saved[i]);
    }
    CHECK_INT(fstat(out, &info), 0);
    CHECK_INT(info.st_size, 0);
    peer_end(peer);
    /* Gone: the two that were saved, and the peer's two (its connection may have been a third). */
    CHECK_INT(count_descriptors(), before - 4);
    close(out);
    return 0;
}
