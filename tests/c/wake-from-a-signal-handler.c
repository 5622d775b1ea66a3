/* qmp_reactor_wake in a signal handler ends a turn that would last for ever, whichever thread takes the signal. */
#include "harness.h"

#include <signal.h>
#include <sys/time.h>

static qmp_reactor *reactor;
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
    qmp_reactor_wake(reactor);
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct itimerval soon = {.it_value = {.tv_usec = 5000}};
    qmp_error *error = NULL;

    reactor = NEW_REACTOR();
    CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
    for (int i = 0; i < 20; i++) {
        sig_atomic_t before = signals;
        CHECK_INT(setitimer(ITIMER_REAL, &soon, NULL), 0);
        /* A signal that ends the sleep may also end the turn by itself: then it is turned again. */
        while (signals == before) {
            CHECK_INT(qmp_reactor_turn(reactor, QMP_TIMEOUT_FOREVER, &error), 0);
            CHECK_OK(true, error);
        }
    }
    qmp_reactor_free(reactor);
    return 0;
}
