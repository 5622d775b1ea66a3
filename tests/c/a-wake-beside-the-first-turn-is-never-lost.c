/* A wake that comes while a reactor's first turn begins ends that turn, at whatever moment it comes. (What lost one in some
 * hundred thousand fails here now and then.) */
#include "harness.h"

/* The reactor to wake, and how long to wait before that, in steps; NULL when it is woken. */
static qmp_reactor *reactor;
static unsigned delay;
static int over;

static void *wake(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        qmp_reactor *woken = __atomic_load_n(&reactor, __ATOMIC_ACQUIRE);

        if (!woken) {
            continue;
        }
        for (volatile unsigned step = 0; step < delay; step++) {
        }
        qmp_reactor_wake(woken);
        __atomic_store_n(&reactor, NULL, __ATOMIC_RELEASE);
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int count = amount(200000, 200);
    int limit = patience(10000);

    CHECK_INT(pthread_create(&thread, NULL, wake, NULL), 0);
    for (int i = 0; i < count; i++) {
        qmp_reactor *fresh = NEW_REACTOR();
        qmp_error *error = NULL;
        long long begin;

        delay = (unsigned)i * 7919u % 1500u;
        begin = now_ms();
        __atomic_store_n(&reactor, fresh, __ATOMIC_RELEASE);
        CHECK_OK(qmp_reactor_turn(fresh, limit, &error) >= 0, error);
        CHECK(now_ms() - begin < limit);
        while (__atomic_load_n(&reactor, __ATOMIC_ACQUIRE)) {
        }
        qmp_reactor_free(fresh);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    CHECK_INT(pthread_join(thread, NULL), 0);
    return 0;
}
