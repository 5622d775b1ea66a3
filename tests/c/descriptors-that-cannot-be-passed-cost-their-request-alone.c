/* A process that has too many descriptors on their way can pass no more (unix(7), ETOOMANYREFS): that ends the request, as
 * SYSTEM and not sent, and leaves the link as it is. */
#include "harness.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 16

/* Puts descriptors on their way to somebody who does not read. */
static void fill(int socket)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(AT_ONCE * sizeof(int))];
    } control = {0};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    int fds[AT_ONCE] = {0};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
    CHECK_INT(sendmsg(socket, &message, MSG_NOSIGNAL), 1);
}

int main(void)
{
    static const char request[] = "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"x\"}}";
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    struct rlimit limit, low;
    qmp_error *error = NULL;
    qmp_buffer *reply;
    int ends[2], fd = 0;
    bool root = geteuid() == 0;

    if (is_slow()) {
        puts("valgrind keeps the limit to itself, the kernel knows nothing of it: left out");
        qmp_monitor_free(monitor);
        peer_end(peer);
        return 0;
    }
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (int i = 0; i < 4; i++) {
        fill(ends[0]);
    }
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3 * AT_ONCE;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
    /* Privileged processes have no limit. */
    CHECK(!root || seteuid(65534) == 0);
    CHECK(qmp_monitor_run_with_fds(monitor, request, &fd, 1, LONG, &error) == NULL);
    CHECK_INT(qmp_error_errno(error), ETOOMANYREFS);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK_ERROR(error, SYSTEM, "getfd");
    CHECK_RUNS(monitor);
    CHECK(!root || seteuid(0) == 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);

    close(ends[0]);
    close(ends[1]);
    reply = qmp_monitor_run_with_fds(monitor, request, &fd, 1, LONG, &error);
    CHECK_OK(reply != NULL, error);
    qmp_buffer_free(reply);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
