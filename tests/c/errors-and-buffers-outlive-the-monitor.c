/* Buffers, errors and copies of errors belong to the caller: they outlive callbacks, monitors and reactors. */
#include "harness.h"

static qmp_error *kept;

static void keep(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)monitor;
    CHECK(error != NULL && json != NULL && len > 0);
    kept = qmp_error_copy(error);
    *(int *)user_data = 1;
}

static void check_kept(const qmp_error *error, const char *target)
{
    CHECK_INT(qmp_error_code(error), QMP_CODE_COMMAND);
    CHECK_STR(qmp_error_class(error), "GenericError");
    CHECK_STR(qmp_error_desc(error), "it is so");
    CHECK_STR(json_get(qmp_error_reply(error), "id"), "\"mine\"");
    CHECK_HAS(qmp_error_message(error), target);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_ANSWERED);
}

static void script(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer) && peer_request(peer) != NULL && peer_answer(peer, "{\"n\": 1}") &&
        peer_request(peer) != NULL &&
        peer_fail(peer, "GenericError", "it is so") && peer_request(peer) != NULL) {
        peer_fail(peer, "GenericError", "it is so");
        peer_drain(peer);
    }
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_reactor *reactor = NEW_REACTOR();
    qmp_monitor *monitor = OPEN_ON(reactor, peer_target(peer));
    qmp_error *error = NULL;
    qmp_error *copy, *second;
    qmp_buffer *buffer = RUN(monitor, "{\"execute\": \"x\", \"id\": \"mine\"}");
    qmp_buffer *greeting = qmp_monitor_greeting(monitor, &error);
    int done = 0;

    CHECK_OK(greeting != NULL, error);
    CHECK(qmp_monitor_run(monitor, "{\"execute\": \"x\", \"id\": \"mine\"}", LONG, &error) == NULL);
    copy = qmp_error_copy(error);
    second = qmp_error_copy(copy);
    qmp_error_free(error);
    error = NULL;
    CHECK_OK(qmp_monitor_start(monitor, "{\"execute\": \"x\", \"id\": \"mine\"}", LONG, keep, &done, NULL,
                               &error) != 0, error);
    while (!done) {
        CHECK_OK(qmp_reactor_turn(reactor, LONG, &error) >= 0, error);
    }
    qmp_monitor_free(monitor);
    qmp_reactor_free(reactor);
    check_kept(copy, peer_target(peer));
    qmp_error_free(copy);
    check_kept(second, peer_target(peer));
    check_kept(kept, peer_target(peer));
    CHECK_STR(json_get(qmp_buffer_data(buffer), "return.n"), "1");
    CHECK_INT(qmp_buffer_data(buffer)[qmp_buffer_len(buffer)], '\0');
    CHECK_STR(json_get(qmp_buffer_data(greeting), "QMP.version.package"), "\"peer\"");
    qmp_error_free(second);
    qmp_error_free(kept);
    qmp_buffer_free(buffer);
    qmp_buffer_free(greeting);
    peer_end(peer);
    return 0;
}
