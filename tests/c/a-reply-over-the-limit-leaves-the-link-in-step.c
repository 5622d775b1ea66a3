/* A reply over max-message is LIMIT for the one who asked, with a message that names the option; the link goes on. */
#include "harness.h"

static void script(struct peer *peer, void *arg)
{
    char *big = malloc(200001);

    (void)arg;
    CHECK(big != NULL);
    memset(big, 'b', 200000);
    big[200000] = '\0';
    if (peer_greet(peer) && peer_expect(peer, "big") &&
        peer_printf(peer, "{\"return\": {\"text\": \"%s\"}, \"id\": %s}\r\n", big, peer_id(peer)) &&
        peer_expect(peer, "small") && peer_answer(peer, "{\"n\": 1}") && peer_expect(peer, "event") &&
        peer_printf(peer,
            "{\"event\": \"BIG\", \"data\": {\"text\": \"%s\"}, "
            "\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\r\n", big) &&
        peer_answer(peer, "{\"n\": 2}")) {
        peer_echo(peer);
    }
    free(big);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, "BIG", &error);
    qmp_buffer *reply;

    CHECK_OK(events != NULL, error);
    CHECK_OK(qmp_monitor_set(monitor, "max-message", "65536", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK(qmp_monitor_execute(monitor, "big", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, LIMIT, "max-message");
    CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_CONNECTED);
    reply = qmp_monitor_execute(monitor, "small", NULL, LONG, &error);
    CHECK_OK(reply != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(reply), "n"), "1");
    qmp_buffer_free(reply);
    reply = qmp_monitor_execute(monitor, "event", NULL, LONG, &error);
    CHECK_OK(reply != NULL, error);
    CHECK_STR(json_get(qmp_buffer_data(reply), "n"), "2");
    qmp_buffer_free(reply);
    /* An event that did not fit is told as lost. */
    for (int i = 0; i < 2; i++) {
        reply = qmp_events_next(events, 0, &error);
        CHECK_OK(reply != NULL, error);
        CHECK_STR(json_get(qmp_buffer_data(reply), "event"),
                  i == 0 ? "\"LIBQMP_CONNECTED\"" : "\"LIBQMP_EVENTS_LOST\"");
        qmp_buffer_free(reply);
    }
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
