/* Waking a blocked thread takes a descriptor the first time. Without one it stays asleep; once there is one again the next
 * call reaches it. */
#include "harness.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static void *run(void *monitor)
{
    qmp_error *error = NULL;

    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"x\"}", QMP_TIMEOUT_FOREVER, &error) == NULL);
    CHECK_ERROR(error, CANCELED, NULL);
    return NULL;
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct rlimit before, none;
    pthread_t thread;
    int first;

    CHECK_INT(pthread_create(&thread, NULL, run, monitor), 0);
    pause_ms(patience(100));
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    first = fcntl(0, F_DUPFD_CLOEXEC, 0);
    CHECK(first >= 0);
    close(first);
    none.rlim_cur = (rlim_t)first;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(qmp_monitor_cancel(monitor, 0), 0);
    pause_ms(50);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(qmp_monitor_cancel(monitor, 0), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
