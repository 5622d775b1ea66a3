/* What every C test stands on: checks that print what they saw, a peer that plays a script, a real QEMU, and helpers
 * around libqmp. Every test is a program: exit status 0 is passed, 77 is skipped, anything else is failed. A watchdog
 * ends a test that hangs; nothing that a test starts or makes outlives it. */
#ifndef HARNESS_H
#define HARNESS_H

#include <libqmp.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Checks. Each ends the test when it does not hold, from any thread. */

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            check_failed(__FILE__, __LINE__, "not true: %s", #condition); \
        } \
    } while (0)
#define CHECK_INT(actual, expected) \
    check_int(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define CHECK_STR(actual, expected) check_str(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_HAS(actual, part) check_has(__FILE__, __LINE__, #actual, (actual), (part))

void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void check_int(const char *file, int line, const char *what, long long actual, long long expected);
void check_str(const char *file, int line, const char *what, const char *actual, const char *expected);
void check_has(const char *file, int line, const char *what, const char *actual, const char *part);

/* Time. Under valgrind everything takes longer, and big tests do less. */

bool is_slow(void);
long long now_ms(void);
int patience(int ms);                /* an upper bound, larger where everything is slow */
int amount(int plain, int slow);     /* how much to do */
void pause_ms(int ms);
void wait_for(sem_t *sem);           /* fails the test after a long while */
bool wait_until_ready(int fd, int timeout_ms);   /* poll for reading */

#define LONG patience(20000)

/* Files: a directory of the test's own, removed at its end with what was made through `own_path`. */

const char *own_path(const char *name);   /* stays valid; at most 64 of them */
int count_descriptors(void);
int count_threads(void);
void wait_for_threads(int count);   /* a thread that was joined may still be listed for a moment */
long resident_kib(void);

/* JSON: the text of a member, by its path ("data.count"); "" if it is not there. Strings keep their quotes. The result
 * lives until the eighth call after it in the same thread. */
const char *json_get(const char *json, const char *path);

/* The scripted peer: a thread that listens and plays a script, step by step. Every step gives false (or NULL) when the
 * connection has ended or the test is over; a script then simply returns. */

struct peer;
typedef void peer_script(struct peer *peer, void *arg);
enum peer_kind { PEER_UNIX, PEER_ABSTRACT, PEER_TCP, PEER_TCP6 };

struct peer *peer_start(enum peer_kind kind, peer_script *script, void *arg);
const char *peer_target(const struct peer *peer);
void peer_end(struct peer *peer);            /* ends the script at its next step */
void peer_go(struct peer *peer);             /* lets the script pass one peer_wait */
void peer_heard(struct peer *peer);          /* waits for one peer_tell of the script */

bool peer_accept(struct peer *peer);         /* takes the next connection; ends the one there is */
bool peer_greet(struct peer *peer);          /* accept, greeting without capabilities, negotiation */
bool peer_greet_oob(struct peer *peer);      /* the same, offering "oob" */
bool peer_send(struct peer *peer, const char *text);
bool peer_send_bytes(struct peer *peer, const void *bytes, size_t len);
bool peer_send_pieces(struct peer *peer, const char *text, size_t piece, int pause);
bool peer_printf(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool peer_event(struct peer *peer, const char *name, const char *data_or_null);
const char *peer_request(struct peer *peer); /* the next whole request */
const char *peer_id(const struct peer *peer);   /* the wire id of the last request */
bool peer_expect(struct peer *peer, const char *command);   /* the next request, which must be this one */
bool peer_answer(struct peer *peer, const char *value);     /* answers the last request */
bool peer_fail(struct peer *peer, const char *error_class, const char *desc);
void peer_echo(struct peer *peer);           /* answers every request with its arguments, until the end */
void peer_drain(struct peer *peer);          /* reads and says nothing, until the end */
size_t peer_silence(struct peer *peer, int ms);   /* how many bytes came within this time */
void peer_close(struct peer *peer);
bool peer_wait(struct peer *peer);
void peer_tell(struct peer *peer);
void script_echo(struct peer *peer, void *arg);   /* greets each connection in turn and echoes */
void script_silent(struct peer *peer, void *arg); /* greets, reads, never answers */
void script_tick(struct peer *peer, void *arg);   /* greets, then an event TICK for each peer_go */

#define GREETING(capabilities) \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"peer\"}, " \
    "\"capabilities\": [" capabilities "]}}\r\n"

/* A real QEMU without a machine, not running. Without qemu-system-x86_64 the test is skipped (in CI: fails). */

struct qemu {
    pid_t pid;
    char target[160];
};

enum qemu_kind { QEMU_COMPACT, QEMU_PRETTY, QEMU_DIALS_IN };

struct qemu qemu_start(enum qemu_kind kind);
struct qemu qemu_start_at(enum qemu_kind kind, const char *path);
void qemu_kill(struct qemu *qemu);     /* at once; a second time it does nothing */
void qemu_wait(struct qemu *qemu);     /* for one that ends by itself */

/* Around libqmp. */

#define OPEN(target) open_monitor(__FILE__, __LINE__, NULL, (target))
#define OPEN_ON(reactor, target) open_monitor(__FILE__, __LINE__, (reactor), (target))
#define NEW(target) new_monitor(__FILE__, __LINE__, NULL, (target))
#define NEW_ON(reactor, target) new_monitor(__FILE__, __LINE__, (reactor), (target))
#define NEW_REACTOR() new_reactor(__FILE__, __LINE__)
#define RUN(monitor, request) run_request(__FILE__, __LINE__, (monitor), (request))
#define CHECK_RUNS(monitor) qmp_buffer_free(RUN((monitor), "{\"execute\": \"query-status\"}"))
/* The call succeeded; else the message of `error` is shown. */
#define CHECK_OK(succeeded, error) check_ok(__FILE__, __LINE__, #succeeded, (succeeded), &(error))
/* `error` has this code and its message this part (or NULL); it is freed and NULL afterwards. */
#define CHECK_ERROR(error, code, part) check_error(__FILE__, __LINE__, &(error), QMP_CODE_##code, #code, (part))

qmp_reactor *new_reactor(const char *file, int line);
qmp_monitor *new_monitor(const char *file, int line, qmp_reactor *reactor, const char *target);
qmp_monitor *open_monitor(const char *file, int line, qmp_reactor *reactor, const char *target);
qmp_buffer *run_request(const char *file, int line, qmp_monitor *monitor, const char *request);
void check_ok(const char *file, int line, const char *what, bool succeeded, qmp_error **error);
void check_error(const char *file, int line, qmp_error **error, int code, const char *name, const char *part);

/* What callbacks saw. `user_data` of the callbacks below is one of these; `freed` counts log_free. */
struct log {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count, freed;
    struct entry {
        char *name;         /* the event; NULL for a reply */
        char *json;         /* NULL if there was none */
        int code, delivery; /* of the error, QMP_CODE_OK without one */
        pthread_t thread;
    } entries[512];
};

#define LOG_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

void log_event(void *log, qmp_monitor *monitor, const char *event, const char *json, size_t len);
void log_reply(void *log, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len);
void log_done(void *log, qmp_monitor *monitor, const qmp_error *error);
void log_free(void *log);
int log_count(struct log *log);
int log_freed(struct log *log);
void log_wait(struct log *log, int count);                         /* until that many, somebody else turns */
void log_turn(struct log *log, qmp_reactor *reactor, int count);   /* turns until that many */
int log_find(struct log *log, const char *event);                  /* its index, or -1 */
void log_clear(struct log *log);                                   /* frees what is noted */

#endif
