/* Checks, time, files: nothing here needs libqmp. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define MAX_PATHS 64

static char directory[64];
static char paths[MAX_PATHS][108];
static int path_count;
static pthread_mutex_t paths_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner;

static void clean_up(void);

/* Only what may be called in a signal handler: a test that hangs may hang in malloc. */
static void on_watchdog(int signal)
{
    static const char text[] = "the test hangs: ended by its watchdog\n";
    (void)signal;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        /* Nobody to tell. */
    }
    clean_up();
    _exit(1);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_handler = on_watchdog};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMAX - 1};
    struct itimerspec when = {.it_value = {.tv_sec = is_slow() ? 280 : 50}};
    timer_t timer;

    owner = getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGRTMAX - 1, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        timer_settime(timer, 0, &when, NULL);
    }
    atexit(clean_up);
}

static void clean_up(void)
{
    if (getpid() != owner) {
        return;
    }
    qemu_kill_all();
    for (int i = 0; i < path_count; i++) {
        unlink(paths[i]);
    }
    if (directory[0] != '\0') {
        rmdir(directory);
    }
}

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stdout);
    clean_up();
    _exit(1);
}

void check_int(const char *file, int line, const char *what, long long actual, long long expected)
{
    if (actual != expected) {
        check_failed(file, line, "%s is %lld, expected %lld", what, actual, expected);
    }
}

void check_str(const char *file, int line, const char *what, const char *actual, const char *expected)
{
    if (actual == NULL || strcmp(actual, expected) != 0) {
        check_failed(file, line, "%s is \"%s\", expected \"%s\"", what, actual ? actual : "(null)", expected);
    }
}

void check_has(const char *file, int line, const char *what, const char *actual, const char *part)
{
    if (actual == NULL || strstr(actual, part) == NULL) {
        check_failed(file, line, "%s is \"%s\", expected \"%s\" in it", what, actual ? actual : "(null)", part);
    }
}

bool is_slow(void)
{
    const char *slow = getenv("QMP_TEST_SLOW");
    return slow != NULL && slow[0] != '\0';
}

int patience(int ms)
{
    return is_slow() ? ms * 8 : ms;
}

int amount(int plain, int slow)
{
    return is_slow() ? slow : plain;
}

long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

struct timespec in_a_while(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += LONG / 1000;
    return at;
}

void wait_for(sem_t *sem)
{
    struct timespec at = in_a_while();
    while (sem_timedwait(sem, &at) != 0) {
        if (errno != EINTR) {
            check_failed(__FILE__, __LINE__, "waited too long for another thread");
        }
    }
}

bool wait_until_ready(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & POLLIN) != 0;
}

const char *own_path(const char *name)
{
    const char *base = getenv("TMPDIR");
    const char *path;

    pthread_mutex_lock(&paths_lock);
    if (directory[0] == '\0') {
        /* The path of a UNIX socket is short: a long TMPDIR would not leave room for a name. */
        base = base != NULL && strlen(base) < 40 ? base : "/tmp";
        snprintf(directory, sizeof directory, "%s/qmp-XXXXXX", base);
        CHECK(mkdtemp(directory) != NULL);
    }
    CHECK(path_count < MAX_PATHS);
    snprintf(paths[path_count], sizeof paths[0], "%s/%.30s", directory, name);
    path = paths[path_count++];
    pthread_mutex_unlock(&paths_lock);
    return path;
}

int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 3; /* ".", ".." and the directory itself */
}

int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2; /* "." and ".." */
}

void wait_for_threads(int count)
{
    long long end = now_ms() + LONG;

    while (count_threads() != count) {
        if (now_ms() > end) {
            check_failed(__FILE__, __LINE__, "%d threads, expected %d", count_threads(), count);
        }
        pause_ms(1);
    }
}

/* AddressSanitizer keeps what was freed, on purpose: how much memory stays says nothing there. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FREED_MEMORY_STAYS 1
#endif
#endif

long resident_kib(void)
{
#ifdef FREED_MEMORY_STAYS
    return 0;
#else
    char line[128];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");

    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) {
            break;
        }
    }
    fclose(status);
    return kib;
#endif
}
