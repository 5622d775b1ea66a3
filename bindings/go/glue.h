// What Go cannot say itself: calls that give an integer for user_data, and the descriptor of the shared reactor.
#ifndef LIBQMP_GO_GLUE_H
#define LIBQMP_GO_GLUE_H

#include <libqmp.h>

// A duplicate of the reactor's descriptor for the Go runtime's poller, which closes it. -1 and errno on failure.
int32_t libqmp_go_watch(const qmp_reactor *reactor);

// Turns once, without waiting. Returns 1 if there is more to do: the runtime's poller shows changes alone.
int32_t libqmp_go_turn(qmp_reactor *reactor, int32_t fd);

// qmp_monitor_connect_start, ending in libqmpGoDone(token, ...).
int32_t libqmp_go_connect(qmp_monitor *monitor, int32_t timeout_ms, uintptr_t token, qmp_error **err);

// qmp_monitor_start_with_fds, ending in libqmpGoReply(token, ...).
uint64_t libqmp_go_start(qmp_monitor *monitor, const char *request, const int32_t *fds, size_t n_fds,
                         int32_t timeout_ms, uintptr_t token, qmp_error **err);

// qmp_monitor_subscribe, with libqmpGoEvent(token) for each event.
uint64_t libqmp_go_subscribe(qmp_monitor *monitor, const char *event, uintptr_t token, qmp_error **err);

#endif
