// Prints a machine's status and QEMU's version.
//
//     query-status unix:/run/vm.qmp
#include <libqmp.h>
#include <stdio.h>
#include <stdlib.h>

static qmp_error *err;

static int failed(void)
{
    fprintf(stderr, "query-status: %s\n", qmp_error_message(err));
    qmp_error_free(err);
    return EXIT_FAILURE;
}

// Runs a command without arguments and prints what it returns.
static int print(qmp_monitor *vm, const char *command)
{
    qmp_buffer *value = qmp_monitor_execute(vm, command, NULL, QMP_TIMEOUT_DEFAULT, &err);
    if (!value)
        return -1;
    printf("%s: %s\n", command, qmp_buffer_data(value));
    qmp_buffer_free(value);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: query-status TARGET\n"
              "TARGET: unix:PATH, unix:@NAME, tcp:HOST:PORT or fd:N\n", stderr);
        return 2;
    }
    qmp_monitor *vm = qmp_monitor_open(NULL, argv[1], 5000, &err);
    if (!vm)
        return failed();
    int result = print(vm, "query-status");
    if (result == 0)
        result = print(vm, "query-version");
    qmp_monitor_free(vm);
    return result == 0 ? EXIT_SUCCESS : failed();
}
