// The C side of glue.h. The callbacks run where the reactor is turned or a monitor freed: on threads that Go made.
#include "glue.h"
#include "_cgo_export.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

int32_t libqmp_go_watch(const qmp_reactor *reactor)
{
    return fcntl(qmp_reactor_fd(reactor), F_DUPFD_CLOEXEC, 0);
}

int32_t libqmp_go_turn(qmp_reactor *reactor, int32_t fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    // A reactor that refuses to turn is broken for good: to ask it again at once would be a busy loop.
    if (qmp_reactor_turn(reactor, 0, NULL) < 0)
        return 0;
    int ready;
    do
        ready = poll(&watched, 1, 0);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static void on_done(void *token, qmp_monitor *monitor, const qmp_error *error)
{
    (void)monitor;
    libqmpGoDone((uintptr_t)token, (qmp_error *)error);
}

static void on_reply(void *token, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)monitor;
    libqmpGoReply((uintptr_t)token, (qmp_error *)error, (char *)json, len);
}

static void on_event(void *token, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)monitor, (void)event, (void)json, (void)len;
    libqmpGoEvent((uintptr_t)token);
}

int32_t libqmp_go_connect(qmp_monitor *monitor, int32_t timeout_ms, uintptr_t token, qmp_error **err)
{
    return qmp_monitor_connect_start(monitor, timeout_ms, on_done, (void *)token, NULL, err);
}

uint64_t libqmp_go_start(qmp_monitor *monitor, const char *request, const int32_t *fds, size_t n_fds,
                         int32_t timeout_ms, uintptr_t token, qmp_error **err)
{
    return qmp_monitor_start_with_fds(monitor, request, fds, n_fds, timeout_ms, on_reply, (void *)token, NULL, err);
}

uint64_t libqmp_go_subscribe(qmp_monitor *monitor, const char *event, uintptr_t token, qmp_error **err)
{
    return qmp_monitor_subscribe(monitor, event, on_event, (void *)token, NULL, err);
}
