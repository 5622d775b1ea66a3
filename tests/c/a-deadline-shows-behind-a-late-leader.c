/* A blocked thread that leads, and is scheduled late, takes the sign of another request's deadline with its own answer: the
 * descriptor for foreign loops shows that deadline even so. */
#include "harness.h"

#include <sched.h>

static qmp_monitor *answered, *silent;
static sem_t go, done;
static int over, busy;

static void answer_when_told(struct peer *peer, void *arg)
{
    (void)arg;
    if (!peer_greet(peer)) {
        return;
    }
    while (peer_request(peer)) {
        peer_tell(peer);
        if (!peer_wait(peer) || !peer_answer(peer, "{}")) {
            return;
        }
    }
}

static void stay_on_the_first_processor(void)
{
    cpu_set_t first;

    CPU_ZERO(&first);
    CPU_SET(0, &first);
    /* Where that is not allowed the leader is hardly ever late, and this shows less. */
    (void)sched_setaffinity(0, sizeof first, &first);
}

static void *keep_busy(void *unused)
{
    (void)unused;
    stay_on_the_first_processor();
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        if (!__atomic_load_n(&busy, __ATOMIC_ACQUIRE)) {
            pause_ms(1);
        }
    }
    return NULL;
}

static void *lead(void *unused)
{
    struct sched_param idle = {0};

    (void)unused;
    stay_on_the_first_processor();
    CHECK_INT(sched_setscheduler(0, SCHED_IDLE, &idle), 0);
    for (wait_for(&go); !__atomic_load_n(&over, __ATOMIC_ACQUIRE); wait_for(&go)) {
        CHECK_RUNS(answered);
        sem_post(&done);
    }
    return NULL;
}

int main(void)
{
    struct peer *answers = peer_start(PEER_UNIX, answer_when_told, NULL);
    struct peer *says_nothing = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    pthread_t threads[2];
    int fd = qmp_reactor_fd(reactor), rounds = amount(20, 3);

    answered = OPEN_ON(reactor, peer_target(answers));
    silent = OPEN_ON(reactor, peer_target(says_nothing));
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    CHECK_INT(pthread_create(&threads[0], NULL, lead, NULL), 0);
    CHECK_INT(pthread_create(&threads[1], NULL, keep_busy, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        sem_post(&go);
        peer_heard(answers);
        pause_ms(10);
        __atomic_store_n(&busy, 1, __ATOMIC_RELEASE);
        pause_ms(5);
        CHECK_OK(qmp_monitor_start(silent, "{\"execute\": \"x\"}", 1, log_reply, &log, NULL, &error) != 0, error);
        peer_go(answers);
        pause_ms(3);
        __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
        wait_for(&done);
        CHECK(wait_until_ready(fd, LONG));
        log_turn(&log, reactor, i + 1);
        CHECK_INT(log.entries[i].code, QMP_CODE_TIMEOUT);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    sem_post(&go);
    CHECK_INT(pthread_join(threads[0], NULL), 0);
    CHECK_INT(pthread_join(threads[1], NULL), 0);
    qmp_monitor_free(answered);
    qmp_monitor_free(silent);
    qmp_reactor_free(reactor);
    peer_end(answers);
    peer_end(says_nothing);
    log_clear(&log);
    return 0;
}
