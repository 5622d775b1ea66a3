/* A socket of QEMU's own knows of no other machine; a hypervisor that nobody reaches lists nothing. */
#include "harness.h"

#include <errno.h>

static void refused(qmp_monitor *monitor, int code, const char *part)
{
    qmp_error *err = NULL;

    CHECK(qmp_monitor_domains(monitor, 1000, &err) == NULL);
    CHECK_INT(qmp_error_code(err), code);
    CHECK_INT(qmp_error_delivery(err), QMP_DELIVERY_NOT_SENT);
    CHECK_HAS(qmp_error_message(err), part);
    qmp_error_free(err);
    /* Without a place for the error it is the same. */
    CHECK(qmp_monitor_domains(monitor, 1000, NULL) == NULL);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    qmp_monitor *socket = OPEN(peer_target(peer));
    char target[200];
    qmp_error *err = NULL;

    refused(NULL, QMP_CODE_INVALID_ARGUMENT, "NULL");
    refused(socket, QMP_CODE_UNSUPPORTED, peer_target(peer));
    qmp_monitor_free(socket);

    snprintf(target, sizeof target, "qemu+unix:///session?socket=%s", own_path("nobody-listens-here"));
    qmp_monitor *hypervisor = NEW(target);
    refused(hypervisor, QMP_CODE_DISCONNECTED, target);
    CHECK_INT(qmp_monitor_connect(hypervisor, 100, &err), -1);
    CHECK_INT(qmp_error_errno(err), ENOENT);
    CHECK_ERROR(err, CONNECT, target);
    refused(hypervisor, QMP_CODE_DISCONNECTED, target);
    qmp_monitor_free(hypervisor);
    peer_end(peer);
    return 0;
}
