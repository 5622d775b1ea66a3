/* Replies whose id nobody waits for are dropped; the right one comes through. */
#include "harness.h"

static const char *const wrong[] = {
    "999999", "-1", "18446744073709551616", "1.0", "\"libvirt-1\"", "null", "true", "[0]", "{}", "\"0\"",
};

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (!peer_greet(peer)) {
        return;
    }
    for (int round = 0; round < 3 && peer_request(peer) != NULL; round++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            peer_printf(peer, "{\"return\": {\"wrong\": %d}, \"id\": %s}\r\n", round, wrong[i]);
            peer_printf(peer, "{\"id\": %s, \"error\": {\"class\": \"GenericError\", \"desc\": \"wrong\"}}\r\n",
                        wrong[i]);
        }
        peer_send(peer, "{\"return\": {\"wrong\": \"no id\"}}\r\n");
        peer_printf(peer, "{\"id\" : %s , \"return\": {\"right\": %d}}\n", peer_id(peer), round);
        /* And the same once more, when the next request may be open already: it has another id. */
        peer_answer(peer, "{\"wrong\": \"twice\"}");
    }
    peer_echo(peer);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    char text[8];

    for (int round = 0; round < 3; round++) {
        qmp_buffer *reply = RUN(monitor, "{\"execute\": \"query-status\", \"id\": \"mine\"}");
        snprintf(text, sizeof text, "%d", round);
        CHECK_STR(json_get(qmp_buffer_data(reply), "return.right"), text);
        CHECK_STR(json_get(qmp_buffer_data(reply), "id"), "\"mine\"");
        qmp_buffer_free(reply);
    }
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
