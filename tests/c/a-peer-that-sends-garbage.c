/* A peer that does not speak QMP ends the link with PROTOCOL, before the greeting as after it. */
#include "harness.h"

static const char *const garbage[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "}", "]", "x", "\"text\"\r\n", "[]\r\n", "1\r\n",
    "{\"return\": {} x\r\n", "{\"return\": {} x", "{\"return\" {}}\r\n", "{\"return\": {}]\r\n", "{\"return\": \"a\nb\"}\r\n", "{]",
    "\x01\x02\x03",
};

static void before_the_greeting(struct peer *peer, void *arg)
{
    if (peer_accept(peer) && peer_send(peer, arg)) {
        peer_drain(peer);
    }
}

static void instead_of_an_answer(struct peer *peer, void *arg)
{
    if (peer_greet(peer) && peer_request(peer) != NULL && peer_send(peer, arg)) {
        peer_drain(peer);
    }
}

int main(void)
{
    qmp_error *error = NULL;

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        void *text = (void *)(uintptr_t)garbage[i];
        struct peer *peer = peer_start(PEER_UNIX, before_the_greeting, text);
        qmp_monitor *monitor = NEW(peer_target(peer));
        CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
        CHECK_HAS(qmp_error_message(error), peer_target(peer));
        CHECK_ERROR(error, PROTOCOL, NULL);
        CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
        qmp_monitor_free(monitor);
        peer_end(peer);

        peer = peer_start(PEER_UNIX, instead_of_an_answer, text);
        monitor = OPEN(peer_target(peer));
        CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
        CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_UNKNOWN);
        CHECK_ERROR(error, PROTOCOL, NULL);
        CHECK_INT(qmp_monitor_state(monitor), QMP_STATE_DISCONNECTED);
        qmp_monitor_free(monitor);
        peer_end(peer);
    }
    return 0;
}
