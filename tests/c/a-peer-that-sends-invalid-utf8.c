/* Bytes that are not UTF-8 in a reply or an event: an answer or an error in time, never a crash, never bad text. */
#include "harness.h"

static const char *const bad[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"};

/* How many bytes follow the first one of a character; -1 for what cannot be a first one. */
static int following(unsigned char first)
{
    if (first < 0x80) {
        return 0;
    }
    if (first < 0xc2 || first > 0xf4) {
        return -1;
    }
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        int more = following(*at);
        if (more < 0 || (*at == 0xed && at[1] >= 0xa0) || (*at == 0xe0 && at[1] < 0xa0)) {
            return false;
        }
        for (at++; more > 0; more--, at++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

static void script(struct peer *peer, void *arg)
{
    const char *text = arg;
    const char *request = peer_greet(peer) ? peer_request(peer) : NULL;

    if (request == NULL) {
        return;
    }
    if (strstr(request, "event") != NULL) {
        peer_printf(peer,
            "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "
            "\"event\": \"BAD\", \"data\": {\"text\": \"%s\"}}\r\n", text);
        peer_answer(peer, "{}");
    } else if (strstr(request, "error") != NULL) {
        peer_fail(peer, "GenericError", text);
    } else {
        peer_printf(peer, "{\"return\": {\"text\": \"%s\"}, \"id\": %s}\r\n", text, peer_id(peer));
    }
    peer_drain(peer);
}

static void ask(const char *text, const char *command)
{
    struct peer *peer = peer_start(PEER_UNIX, script, (void *)(uintptr_t)text);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    qmp_error *error = NULL;
    qmp_events *events = qmp_monitor_events(monitor, NULL, &error);
    qmp_buffer *reply = qmp_monitor_execute(monitor, command, NULL, LONG, &error);
    qmp_buffer *event;

    if (reply == NULL) {
        CHECK(qmp_error_code(error) == QMP_CODE_PROTOCOL || qmp_error_code(error) == QMP_CODE_COMMAND);
        CHECK(is_utf8(qmp_error_message(error)));
        CHECK(qmp_error_desc(error) == NULL || is_utf8(qmp_error_desc(error)));
        CHECK(qmp_error_reply(error) == NULL || is_utf8(qmp_error_reply(error)));
    } else {
        CHECK(is_utf8(qmp_buffer_data(reply)));
    }
    while ((event = qmp_events_next(events, 0, NULL)) != NULL) {
        CHECK(is_utf8(qmp_buffer_data(event)));
        qmp_buffer_free(event);
    }
    qmp_error_free(error);
    qmp_buffer_free(reply);
    qmp_events_free(events);
    qmp_monitor_free(monitor);
    peer_end(peer);
}

int main(void)
{
    CHECK(is_utf8("gr\xc3\xbc\xc3\x9f") && !is_utf8("\xc0\x80"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(!is_utf8(bad[i]));
        ask(bad[i], "reply");
        ask(bad[i], "error");
        ask(bad[i], "event");
    }
    return 0;
}
