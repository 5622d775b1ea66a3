/* A real QEMU, killed by its own pid and always waited for. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_QEMUS 8

static pid_t running[MAX_QEMUS];

static void start(struct qemu *qemu, char *const argv[]);

struct qemu qemu_start(enum qemu_kind kind)
{
    static int number;
    char name[16];
    snprintf(name, sizeof name, "qemu%d", number++);
    return qemu_start_at(kind, own_path(name));
}

struct qemu qemu_start_at(enum qemu_kind kind, const char *path)
{
    struct qemu qemu = {0};
    struct stat info;
    char chardev[200];
    char *argv[] = {
        "qemu-system-x86_64", "-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none", "-S",
        "-chardev", chardev, "-mon", NULL, NULL,
    };

    snprintf(chardev, sizeof chardev, "socket,id=c,path=%s%s", path,
             kind == QEMU_DIALS_IN ? "" : ",server=on,wait=off");
    argv[12] = kind == QEMU_PRETTY ? "chardev=c,mode=control,pretty=on" : "chardev=c,mode=control";
    snprintf(qemu.target, sizeof qemu.target, "unix:%s", path);
    start(&qemu, argv);
    for (long long end = now_ms() + LONG; kind != QEMU_DIALS_IN && stat(path, &info) != 0;) {
        CHECK(waitpid(qemu.pid, NULL, WNOHANG) == 0);
        CHECK(now_ms() < end);
        pause_ms(5);
    }
    return qemu;
}

static void skip_without_qemu(void)
{
    const char *ci = getenv("CI");

    fprintf(stdout, "SKIP: qemu-system-x86_64 not found\n");
    exit(ci != NULL && strcmp(ci, "true") == 0 ? 1 : 77);
}

static void start(struct qemu *qemu, char *const argv[])
{
    int report[2];
    int why = 0;
    pid_t parent = getpid();

    CHECK(pipe2(report, O_CLOEXEC) == 0);
    qemu->pid = fork();
    CHECK(qemu->pid >= 0);
    if (qemu->pid == 0) {
        /* Even a test that is killed leaves no QEMU behind. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) {
            execvp(argv[0], argv);
        }
        why = errno;
        if (write(report[1], &why, sizeof why) < 0) {
            _exit(126);
        }
        _exit(127);
    }
    close(report[1]);
    if (read(report[0], &why, sizeof why) > 0) {
        waitpid(qemu->pid, NULL, 0);
        CHECK_INT(why, ENOENT);
        skip_without_qemu();
    }
    close(report[0]);
    for (int i = 0; i < MAX_QEMUS; i++) {
        if (running[i] == 0) {
            running[i] = qemu->pid;
            return;
        }
    }
    check_failed(__FILE__, __LINE__, "more than %d QEMUs at once", MAX_QEMUS);
}

static void forget(pid_t pid)
{
    for (int i = 0; i < MAX_QEMUS; i++) {
        if (running[i] == pid) {
            running[i] = 0;
        }
    }
}

void qemu_kill(struct qemu *qemu)
{
    if (qemu->pid > 0) {
        kill(qemu->pid, SIGKILL);
        waitpid(qemu->pid, NULL, 0);
        forget(qemu->pid);
        qemu->pid = 0;
    }
}

void qemu_wait(struct qemu *qemu)
{
    long long end = now_ms() + LONG;

    while (waitpid(qemu->pid, NULL, WNOHANG) == 0) {
        CHECK(now_ms() < end);
        pause_ms(5);
    }
    forget(qemu->pid);
    qemu->pid = 0;
}

void qemu_kill_all(void)
{
    for (int i = 0; i < MAX_QEMUS; i++) {
        if (running[i] > 0) {
            kill(running[i], SIGKILL);
            waitpid(running[i], NULL, 0);
            running[i] = 0;
        }
    }
}
