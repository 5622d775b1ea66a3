// Prints a machine's events as they come, until the link is lost or COUNT of them have come.
//
//     watch-events unix:/run/vm.qmp [COUNT]
#include <libqmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what, qmp_error *err)
{
    fprintf(stderr, "watch-events: %s: %s\n", what, qmp_error_message(err));
    qmp_error_free(err);
    return EXIT_FAILURE;
}

// Prints the stream until it ends. Returns 0 when `count` events of the machine have come (0: never enough).
static int watch(qmp_events *events, long count, qmp_error **err)
{
    for (long seen = 0; count == 0 || seen < count;) {
        qmp_buffer *event = qmp_events_next(events, QMP_TIMEOUT_FOREVER, err);
        if (!event)
            return -1;
        puts(qmp_buffer_data(event));
        fflush(stdout);
        // The library's own events (connected, disconnected, events lost) do not count.
        if (!strstr(qmp_buffer_data(event), "\"LIBQMP_"))
            seen++;
        qmp_buffer_free(event);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fputs("usage: watch-events TARGET [COUNT]\n", stderr);
        return 2;
    }
    qmp_error *err = NULL;
    qmp_events *events = NULL;
    int result = EXIT_FAILURE;

    // The stream is made before connecting: so not even the first event is missed.
    qmp_monitor *vm = qmp_monitor_new(NULL, argv[1], &err);
    if (!vm)
        return failed(argv[1], err);
    if (!(events = qmp_monitor_events(vm, NULL, &err)) || qmp_monitor_connect(vm, 5000, &err) != 0) {
        failed("cannot watch", err);
    } else if (watch(events, argc == 3 ? atol(argv[2]) : 0, &err) == 0) {
        result = EXIT_SUCCESS;
    } else if (qmp_error_code(err) == QMP_CODE_DISCONNECTED) {
        qmp_error_free(err); // the machine is gone, and the last event said so
        result = EXIT_SUCCESS;
    } else {
        failed("no more events", err);
    }
    qmp_events_free(events);
    qmp_monitor_free(vm);
    return result;
}
