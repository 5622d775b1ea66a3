// Asks many machines for their status at once: one reactor, one thread of the library.
//
//     many-vms unix:/run/vm-1.qmp unix:/run/vm-2.qmp tcp:host:4444 ...
#define _POSIX_C_SOURCE 200809L
#include <libqmp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct vm {
    qmp_monitor *monitor;
    char answer[160];
};

// Callbacks run on the reactor's thread: what they share with main is behind this lock.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int waiting;

static void done(struct vm *vm, const char *answer)
{
    pthread_mutex_lock(&lock);
    snprintf(vm->answer, sizeof vm->answer, "%s", answer);
    waiting--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_reply(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null, const char *json,
                     size_t len)
{
    (void)monitor, (void)len;
    done(user_data, error_or_null ? qmp_error_message(error_or_null) : json);
}

static void on_connect(void *user_data, qmp_monitor *monitor, const qmp_error *error_or_null)
{
    qmp_error *err = NULL;
    if (error_or_null) {
        done(user_data, qmp_error_message(error_or_null));
    } else if (!qmp_monitor_start(monitor, "{\"execute\": \"query-status\"}", 5000, on_reply, user_data, NULL, &err)) {
        done(user_data, qmp_error_message(err));
        qmp_error_free(err);
    }
}

// Begins to connect. What goes wrong at once is an answer, too.
static void begin(qmp_reactor *reactor, struct vm *vm, const char *target)
{
    qmp_error *err = NULL;
    vm->monitor = qmp_monitor_new(reactor, target, &err);
    if (!vm->monitor || qmp_monitor_connect_start(vm->monitor, 5000, on_connect, vm, NULL, &err) != 0) {
        done(vm, qmp_error_message(err));
        qmp_error_free(err);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: many-vms TARGET...\n", stderr);
        return 2;
    }
    int count = argc - 1;
    qmp_error *err = NULL;
    qmp_reactor *reactor = qmp_reactor_new(&err);
    struct vm *vms = calloc((size_t)count, sizeof *vms);
    if (!reactor || !vms || qmp_reactor_start(reactor, &err) != 0) {
        fprintf(stderr, "many-vms: %s\n", qmp_error_message(err));
        qmp_error_free(err);
        qmp_reactor_free(reactor);
        free(vms);
        return EXIT_FAILURE;
    }
    waiting = count;
    for (int i = 0; i < count; i++)
        begin(reactor, &vms[i], argv[i + 1]);
    pthread_mutex_lock(&lock);
    while (waiting > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < count; i++) {
        printf("%-40s %s\n", argv[i + 1], vms[i].answer);
        qmp_monitor_free(vms[i].monitor);
    }
    qmp_reactor_free(reactor);
    free(vms);
    return EXIT_SUCCESS;
}
