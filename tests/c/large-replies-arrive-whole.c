/* query-qmp-schema of a real QEMU, and a reply of 32 MiB in pieces of every size, arrive to the last byte. */
#include "harness.h"

static size_t big_size(void)
{
    return (size_t)amount(32, 4) << 20;
}

/* The byte at a place of the big text: no two neighbouring blocks look the same. */
static char byte_at(size_t i)
{
    return (char)('a' + (i * 7 + i / 4093) % 26);
}

static void script(struct peer *peer, void *arg)
{
    size_t size = big_size();
    char *big = malloc(size + 1);

    (void)arg;
    CHECK(big != NULL);
    for (size_t i = 0; i < size; i++) {
        big[i] = byte_at(i);
    }
    big[size] = '\0';
    if (peer_greet(peer)) {
        for (int i = 0; i < 3 && peer_request(peer) != NULL; i++) {
            peer_printf(peer, "{\"return\": {\"text\": \"%s\"}, \"id\": %s}\r\n", big, peer_id(peer));
            peer_event(peer, "BETWEEN", NULL);
        }
    }
    free(big);
    peer_echo(peer);
}

static void check_big(const char *text, size_t len, const char *head)
{
    size_t skip = strlen(head);

    CHECK_INT(strncmp(text, head, skip), 0);
    CHECK(len >= skip + big_size() + 2);
    for (size_t i = 0; i < big_size(); i++) {
        if (text[skip + i] != byte_at(i)) {
            check_failed(__FILE__, __LINE__, "byte %zu of the text is wrong", i);
        }
    }
    CHECK_INT(text[skip + big_size()], '"');
    CHECK_INT(text[len], '\0');
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    struct qemu qemu = qemu_start(QEMU_COMPACT);
    qmp_monitor *monitor = OPEN(qemu.target);
    qmp_error *error = NULL;
    qmp_buffer *reply;

    for (int i = 0; i < 5; i++) {
        reply = qmp_monitor_execute(monitor, "query-qmp-schema", NULL, LONG, &error);
        CHECK_OK(reply != NULL, error);
        CHECK(qmp_buffer_len(reply) > 150000);
        CHECK(qmp_buffer_data(reply)[0] == '[' && qmp_buffer_data(reply)[qmp_buffer_len(reply) - 1] == ']');
        qmp_buffer_free(reply);
    }
    qmp_monitor_free(monitor);
    qemu_kill(&qemu);

    monitor = OPEN(peer_target(peer));
    reply = qmp_monitor_run(monitor, "{\"execute\": \"big\", \"id\": \"a longer id than that of the wire\"}", LONG,
                            &error);
    CHECK_OK(reply != NULL, error);
    check_big(qmp_buffer_data(reply), qmp_buffer_len(reply), "{\"return\": {\"text\": \"");
    CHECK_HAS(qmp_buffer_data(reply) + big_size(), "\"a longer id than that of the wire\"}");
    qmp_buffer_free(reply);
    reply = qmp_monitor_run(monitor, "{\"execute\": \"big\"}", LONG, &error);
    CHECK_OK(reply != NULL, error);
    check_big(qmp_buffer_data(reply), qmp_buffer_len(reply), "{\"return\": {\"text\": \"");
    CHECK_STR(qmp_buffer_data(reply) + strlen("{\"return\": {\"text\": \"") + big_size(), "\"}}");
    qmp_buffer_free(reply);
    reply = qmp_monitor_execute(monitor, "big", NULL, LONG, &error);
    CHECK_OK(reply != NULL, error);
    check_big(qmp_buffer_data(reply), qmp_buffer_len(reply), "{\"text\": \"");
    CHECK_INT(qmp_buffer_len(reply), strlen("{\"text\": \"\"}") + big_size());
    qmp_buffer_free(reply);
    CHECK_RUNS(monitor);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return 0;
}
