/* A signal every millisecond, without SA_RESTART: blocking calls, turns and deadlines stay right. */
#include "harness.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

static void slow_echo(struct peer *peer, void *arg)
{
    sigset_t all;

    /* The signals are for the thread under test. */
    (void)arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    if (peer_greet(peer)) {
        while (peer_request(peer) != NULL) {
            pause_ms(3);
            if (!peer_answer(peer, "{}")) {
                return;
            }
        }
    }
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval often = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    struct peer *peer = peer_start(PEER_UNIX, slow_echo, NULL);
    qmp_monitor *monitor;
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    long long begin;

    CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    monitor = OPEN(peer_target(peer));
    for (int i = 0; i < amount(100, 10); i++) {
        CHECK_RUNS(monitor);
    }
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", LONG, log_reply, &log, NULL, &error) != 0, error);
    log_turn(&log, qmp_monitor_reactor(monitor), 1);
    CHECK_INT(log.entries[0].code, QMP_CODE_OK);
    begin = now_ms();
    CHECK_INT(qmp_reactor_turn(qmp_monitor_reactor(monitor), 50, &error), 0);
    CHECK(now_ms() - begin >= 49);
    CHECK(signals > 20);
    log_clear(&log);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
