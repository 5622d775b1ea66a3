/* qmp_events_fd is readable exactly while next(0) would return something other than TIMEOUT. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        while (peer_wait(peer) && peer_event(peer, "TICK", NULL) && peer_event(peer, "TICK", NULL) &&
               peer_request(peer) != NULL) {
            peer_answer(peer, "{}");
        }
    }
}

static void take(qmp_events *events, const char *name)
{
    qmp_error *error = NULL;
    qmp_buffer *event = qmp_events_next(events, 0, &error);

    CHECK_OK(event != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(event), "event"), name);
    qmp_buffer_free(event);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "TICK", &error);
    int fd = qmp_events_fd(events, &error);

    CHECK_OK(fd >= 0, error);
    CHECK_INT(qmp_events_fd(events, &error), fd);
    /* Not connected: next would say DISCONNECTED at once. */
    CHECK(wait_until_ready(fd, 0));
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK(wait_until_ready(fd, LONG));
    take(events, "\"LIBQMP_CONNECTED\"");
    CHECK(!wait_until_ready(fd, 20));
    for (int round = 0; round < 3; round++) {
        peer_go(peer);
        /* The blocking call does the reactor's work: by its end both events are there. */
        CHECK_RUNS(monitor);
        CHECK(wait_until_ready(fd, 0));
        take(events, "\"TICK\"");
        CHECK(wait_until_ready(fd, 0));
        take(events, "\"TICK\"");
        CHECK(!wait_until_ready(fd, 0));
    }
    CHECK_OK(qmp_monitor_disconnect(monitor, &error) == 0, error);
    CHECK(wait_until_ready(fd, 0));
    take(events, "\"LIBQMP_DISCONNECTED\"");
    CHECK(wait_until_ready(fd, 0));
    CHECK(qmp_events_next(events, 0, &error) == NULL);
    CHECK_ERROR(error, DISCONNECTED, NULL);
    CHECK_INT(qmp_events_close(events), 0);
    CHECK(wait_until_ready(fd, 0));
    qmp_monitor_free(monitor);
    CHECK(wait_until_ready(fd, 0));
    qmp_events_free(events);
    peer_end(peer);
    return 0;
}
