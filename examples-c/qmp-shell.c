// A QMP shell with an event loop of its own: poll(2) over standard input and the reactor's descriptor.
//
//     qmp-shell unix:/run/vm.qmp
//     query-status
//     human-monitor-command {"command-line": "info version"}
//     {"execute": "stop", "id": 1}
#define _POSIX_C_SOURCE 200809L
#include <libqmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_requests; // the shell ends behind the end of its input, when the last reply has come

// Prints JSON with a line for each member and item.
static void print_pretty(const char *json)
{
    int depth = 0, quoted = 0;
    for (const char *p = json; *p; p++) {
        if (quoted) {
            putchar(*p);
            if (*p == '\\' && p[1])
                putchar(*++p);
            else if (*p == '"')
                quoted = 0;
        } else if (strchr("}]", *p) || strchr("{[", *p)) {
            const char *next = p + 1 + strspn(p + 1, " \r\n");
            if (strchr("}]", *p)) {
                printf("\n%*s%c", --depth * 2, "", *p);
            } else if (strchr("}]", *next)) {
                printf("%c%c", *p, *next); // nothing in it
                p = next;
            } else {
                printf("%c\n%*s", *p, ++depth * 2, "");
            }
        } else if (*p == ',') {
            printf(",\n%*s", depth * 2, "");
        } else if (*p == ':') {
            fputs(": ", stdout);
        } else if (!strchr(" \t\r\n", *p)) {
            putchar(*p);
            quoted = *p == '"';
        }
    }
    putchar('\n');
    fflush(stdout);
}

static void on_reply(void *user_data, qmp_monitor *vm, const qmp_error *error_or_null, const char *json, size_t len)
{
    (void)user_data, (void)vm, (void)len;
    open_requests--;
    if (json) // also when QEMU answered by an error
        print_pretty(json);
    else
        fprintf(stderr, "%s\n", qmp_error_message(error_or_null));
}

static void on_event(void *user_data, qmp_monitor *vm, const char *event, const char *json, size_t len)
{
    (void)user_data, (void)vm, (void)len;
    printf("event %s ", event);
    print_pretty(json);
}

// Starts what a line says: a whole request, or a command and perhaps its arguments.
static void start(qmp_monitor *vm, char *line)
{
    qmp_error *err = NULL;
    line[strcspn(line, "\r\n")] = '\0';
    size_t room = strlen(line) + 64, name = strcspn(line, " \t{");
    const char *arguments = line + name + strspn(line + name, " \t");
    char *request = *line ? malloc(room) : NULL;
    if (!request)
        return;
    if (*line == '{')
        snprintf(request, room, "%s", line);
    else
        snprintf(request, room, "{\"execute\": \"%.*s\"%s%s}", (int)name, line,
                 *arguments ? ", \"arguments\": " : "", arguments);
    if (qmp_monitor_start(vm, request, QMP_TIMEOUT_DEFAULT, on_reply, NULL, NULL, &err))
        open_requests++;
    else
        fprintf(stderr, "%s\n", qmp_error_message(err));
    qmp_error_free(err);
    free(request);
}

int main(int argc, char **argv)
{
    qmp_error *err = NULL;
    char *line = NULL;
    size_t room = 0;
    qmp_monitor *vm = argc == 2 ? qmp_monitor_new(NULL, argv[1], &err) : NULL;
    struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
    setvbuf(stdin, NULL, _IONBF, 0); // poll must see what stdio has not given us yet
    if (!vm || !qmp_monitor_subscribe(vm, NULL, on_event, NULL, NULL, &err) || qmp_monitor_connect(vm, 5000, &err)
        || (fds[1].fd = qmp_reactor_fd(qmp_monitor_reactor(vm))) < 0) {
        fprintf(stderr, "%s\n", err ? qmp_error_message(err) : vm ? "no descriptor left" : "usage: qmp-shell TARGET");
    } else {
        while ((fds[0].fd >= 0 || open_requests > 0) && qmp_monitor_state(vm) == QMP_STATE_CONNECTED) {
            poll(fds, 2, -1);
            if (fds[1].revents)
                qmp_reactor_turn(qmp_monitor_reactor(vm), 0, NULL);
            if (fds[0].revents && getline(&line, &room, stdin) < 0)
                fds[0].fd = -1;
            else if (fds[0].revents)
                start(vm, line);
        }
    }
    qmp_monitor_free(vm);
    free(line);
    int failed = err != NULL || argc != 2;
    qmp_error_free(err);
    return failed;
}
