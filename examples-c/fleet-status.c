// Asks a fleet of machines for their status, all at once, and prints a table. One target a line on standard input:
//
//     list-domains qemu+tls://host/system | awk '{ print "qemu+tls://host/system#" $2 }' | fleet-status
#define _POSIX_C_SOURCE 200809L
#include <libqmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 10000 // milliseconds for each machine, from connecting to its last answer

struct vm {
    qmp_monitor *monitor;
    char *target, status[24], version[24], *trouble;
    double begun, round_trip;
};

static int waiting;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void over(struct vm *vm, const char *trouble)
{
    vm->trouble = trouble ? strdup(trouble) : NULL;
    waiting--;
}

static int failed(struct vm *vm, const qmp_error *error_or_null)
{
    if (error_or_null)
        over(vm, qmp_error_message(error_or_null));
    return error_or_null != NULL;
}

// The text or number behind "key": in flat JSON; both answers here have each key once.
static void pick(char *to, size_t room, const char *json, const char *key)
{
    const char *at = strstr(json, key);
    if (at)
        at += strcspn(at, ":") + 1, at += strspn(at, " \"");
    snprintf(to, room, "%.*s", at ? (int)strcspn(at, "\",} ") : 1, at ? at : "?");
}

static void ask(struct vm *vm, const char *request);

// The status comes first, then the version.
static void on_reply(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null, const char *json, size_t len)
{
    struct vm *vm = user_data;
    const char *keys[3] = { "\"major\"", "\"minor\"", "\"micro\"" };
    char part[3][8];
    (void)monitor, (void)len;
    if (failed(vm, error_or_null))
        return;
    if (!*vm->status) {
        pick(vm->status, sizeof vm->status, json, "\"status\"");
        ask(vm, "{\"execute\": \"query-version\"}");
        return;
    }
    vm->round_trip = now() - vm->begun;
    for (int i = 0; i < 3; i++)
        pick(part[i], sizeof part[i], json, keys[i]);
    snprintf(vm->version, sizeof vm->version, "%s.%s.%s", part[0], part[1], part[2]);
    over(vm, NULL);
}

static void ask(struct vm *vm, const char *request)
{
    qmp_error *err = NULL;
    vm->begun = now();
    if (!qmp_monitor_start(vm->monitor, request, PATIENCE, on_reply, vm, NULL, &err))
        failed(vm, err);
    qmp_error_free(err);
}

static void on_connect(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null)
{
    (void)monitor;
    if (!failed(user_data, error_or_null))
        ask(user_data, "{\"execute\": \"query-status\"}");
}

int main(void)
{
    struct vm *vms = NULL;
    size_t count = 0, room = 0;
    char *line = NULL;
    qmp_error *err = NULL;
    qmp_reactor *reactor = qmp_reactor_new(&err);
    while (reactor && getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0; // empty lines are none
        struct vm *more = *line ? realloc(vms, (count + 1) * sizeof *vms) : NULL;
        if (more)
            vms = more, vms[count++] = (struct vm){ .target = strdup(line) };
    }
    waiting = (int)count;
    for (struct vm *vm = vms; vm < vms + count; vm++) {
        vm->monitor = qmp_monitor_new(reactor, vm->target, &err);
        if (!vm->monitor || qmp_monitor_connect_start(vm->monitor, PATIENCE, on_connect, vm, NULL, &err))
            failed(vm, err);
        qmp_error_free(err);
        err = NULL;
    }
    while (waiting > 0 && qmp_reactor_turn(reactor, 1000, NULL) >= 0)
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%zu of %zu machines answered ", count - (size_t)waiting, count);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    printf("%-50s %-10s %-9s %s\n", "TARGET", "STATUS", "QEMU", "ROUND TRIP");
    for (struct vm *vm = vms; vm < vms + count; vm++) {
        if (vm->trouble) // names the target
            puts(vm->trouble);
        else
            printf("%-50s %-10s %-9s %.1f ms\n", vm->target, vm->status, vm->version, vm->round_trip);
        qmp_monitor_free(vm->monitor);
        free(vm->target), free(vm->trouble);
    }
    qmp_reactor_free(reactor);
    free(vms), free(line);
    return 0;
}
