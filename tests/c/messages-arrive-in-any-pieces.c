/* Greeting, events and replies in pieces of one byte and more, several in one piece, with and without line ends. */
#include "harness.h"

static const char session_head[] = GREETING("");

static void script(struct peer *peer, void *arg)
{
    size_t piece = *(size_t *)arg;
    char text[600];

    if (!peer_accept(peer) || !peer_send_pieces(peer, session_head, piece, 0) || !peer_expect(peer,
                                                                                              "qmp_capabilities")) {
        return;
    }
    snprintf(text, sizeof text, "{\"return\":{},\"id\":%s}", peer_id(peer));
    peer_send_pieces(peer, text, piece, 0);
    while (peer_request(peer) != NULL) {
        snprintf(text, sizeof text,
                 "{\"event\":\"ONE\",\"timestamp\":{\"seconds\":1,\"microseconds\":2}}\n\n"
                 "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"TWO\", "
                 "\"data\": {\"s\": \"}{\\\"]\\\\\"}}\r\n"
                 "{\r\n    \"return\": {\r\n        \"text\": \"{\\\"id\\\": 7}\"\r\n    },\r\n    \"id\": %s\r\n}"
                 "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"THREE\"}\r\n", peer_id(peer));
        peer_send_pieces(peer, text, piece, 0);
    }
}

static void in_pieces(size_t piece)
{
    struct peer *peer = peer_start(PEER_UNIX, script, &piece);
    qmp_monitor *monitor = NEW(peer_target(peer));
    struct log log = LOG_INIT;
    qmp_error *error = NULL;
    qmp_buffer *reply;

    CHECK_OK(qmp_monitor_subscribe(monitor, NULL, log_event, &log, log_free, &error) != 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    for (int i = 0; i < 4; i++) {
        reply = RUN(monitor, "{\"execute\": \"x\", \"id\": [1]}");
        CHECK_STR(json_get(qmp_buffer_data(reply), "return.text"), "\"{\\\"id\\\": 7}\"");
        CHECK_STR(json_get(qmp_buffer_data(reply), "id"), "[1]");
        qmp_buffer_free(reply);
    }
    log_turn(&log, qmp_monitor_reactor(monitor), 13);
    CHECK_STR(log.entries[0].name, "LIBQMP_CONNECTED");
    for (int i = 0; i < 12; i++) {
        static const char *const names[] = {"ONE", "TWO", "THREE"};
        CHECK_STR(log.entries[i + 1].name, names[i % 3]);
    }
    CHECK_STR(json_get(log.entries[2].json, "data.s"), "\"}{\\\"]\\\\\"");
    log_clear(&log);
    qmp_monitor_free(monitor);
    peer_end(peer);
}

int main(void)
{
    static const size_t pieces[] = {1, 2, 3, 7, 16, 100, 10000};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        in_pieces(pieces[i]);
    }
    return 0;
}
