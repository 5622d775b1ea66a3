/* A turn takes what has arrived before it expires what is overdue; while nobody turns nothing expires. */
#include "harness.h"

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    struct peer *silent = peer_start(PEER_UNIX, script_silent, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_monitor *mute = OPEN_ON(reactor, peer_target(silent));
    struct log log = LOG_INIT;
    struct log late = LOG_INIT;
    qmp_error *error = NULL;
    int window = patience(100);

    for (int i = 0; i < 10; i++) {
        CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\"}", window, log_reply, &log, NULL, &error) != 0, error);
        CHECK_OK(qmp_monitor_start(mute, "{\"execute\": \"x\"}", window, log_reply, &late, NULL, &error) != 0, error);
    }
    /* The answers arrive in time; the application has other things to do until long after. */
    pause_ms(2 * window);
    CHECK_INT(log_count(&log), 0);
    log_turn(&log, reactor, 10);
    log_turn(&late, reactor, 10);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(log.entries[i].code, QMP_CODE_OK);
        CHECK_INT(late.entries[i].code, QMP_CODE_TIMEOUT);
    }
    log_clear(&log);
    log_clear(&late);
    qmp_monitor_free(monitor);
    qmp_monitor_free(mute);
    qmp_reactor_free(reactor);
    peer_end(peer);
    peer_end(silent);
    return 0;
}
