/* With SIGPIPE at its default, writing to a virsh that has ended is no signal: a command that was not read goes to the
 * next virsh, one that may have been read is an error. The virsh is a script that plays one. */
#include "harness.h"

#include <signal.h>
#include <sys/stat.h>

/* It answers what a monitor asks while it connects, and ends when it is told to: with or without an answer. */
static const char VIRSH[] =
    "#!/bin/sh\n"
    "case \"$*\" in *qemu-monitor-event*)\n"
    "    echo ': RPC_CLIENT_MSG_RX: prog=536903815 vers=1 proc=4 type=1 status=0 serial=7' >&2\n"
    "    exec sleep 1000 ;;\n"
    "esac\n"
    "while read -r line; do\n"
    "    key=${line#*\\'B\\'} key=${key%%;*} text= end=\n"
    "    case $line in\n"
    "    *vanish*) exit ;;\n"
    "    *leave*) text='{\"return\": {}}' end=yes ;;\n"
    "    *qemu-monitor-command*) [ \"${line#*help}\" = \"$line\" ] && text='{\"return\": {}}' ;;\n"
    "    *domname*) text=demo ;;\n"
    "    esac\n"
    "    case $line in *\"echo 'F'\"*) continue ;; esac\n"
    "    printf 'virsh # \\nB%s%s\\nE%s' \"$key\" \"$text\" \"$key\"\n"
    "    [ -z \"$end\" ] || exit\n"
    "done\n";

#define TARGET "virsh:qemu:///system#81eda052-0941-47ab-be68-a28932f6b17c"

static const char *write_virsh(void)
{
    const char *path = own_path("virsh");
    FILE *file = fopen(path, "w");

    CHECK(file != NULL);
    CHECK(fputs(VIRSH, file) >= 0);
    CHECK_INT(fclose(file), 0);
    CHECK_INT(chmod(path, 0755), 0);
    return path;
}

int main(void)
{
    qmp_error *error = NULL;
    qmp_monitor *monitor;
    qmp_buffer *reply;
    sigset_t unblocked;
    int failed = 0, rounds = amount(100, 10);

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    sigemptyset(&unblocked);
    sigaddset(&unblocked, SIGPIPE);
    CHECK_INT(sigprocmask(SIG_UNBLOCK, &unblocked, NULL), 0);
    monitor = NEW(TARGET);
    CHECK_OK(qmp_monitor_set(monitor, "virsh-path", write_virsh(), &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    for (int i = 0; i < rounds; i++) {
        /* It ends behind its answer. The next command may find it there, or gone, or going. */
        qmp_buffer_free(RUN(monitor, "{\"execute\": \"leave\"}"));
        if (i % 2)
            pause_ms(1);
        reply = qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error);
        if (reply == NULL) {
            CHECK_ERROR(error, DISCONNECTED, NULL);
            failed++;
        }
        qmp_buffer_free(reply);
        CHECK_RUNS(monitor);
    }
    CHECK(failed < rounds);
    CHECK(qmp_monitor_execute(monitor, "vanish", NULL, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
    CHECK_ERROR(error, DISCONNECTED, "virsh");
    CHECK_RUNS(monitor);
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    qmp_monitor_free(monitor);
    CHECK(signal(SIGPIPE, SIG_IGN) == SIG_DFL);
    return 0;
}
