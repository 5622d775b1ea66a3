/* Commands of one monitor reach the peer in the order in which they were started, and their answers come in order. */
#include "harness.h"

#define COMMANDS 400

static int seen;

static void script(struct peer *peer, void *arg)
{
    const char *request;

    (void)arg;
    if (peer_greet(peer)) {
        while ((request = peer_request(peer)) != NULL) {
            int n = atoi(json_get(request, "arguments.n"));
            CHECK_INT(n, __atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST));
            peer_answer(peer, json_get(request, "arguments"));
        }
    }
}

static struct log log = LOG_INIT;
static int started;

static void start_one(qmp_monitor *monitor, qmp_reply_cb callback)
{
    char request[80];
    qmp_error *error = NULL;

    snprintf(request, sizeof request, "{\"execute\": \"x\", \"arguments\": {\"n\": %d}}", started++);
    CHECK_OK(qmp_monitor_start(monitor, request, LONG, callback, &log, NULL, &error) != 0, error);
}

/* What a callback starts comes behind what was started before,
 * and before what a blocking call of the callback sends. */
static void start_two(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    char arguments[32];
    qmp_error *failure = NULL;
    qmp_buffer *reply;

    log_reply(user_data, monitor, error, json, len);
    start_one(monitor, log_reply);
    start_one(monitor, log_reply);
    snprintf(arguments, sizeof arguments, "{\"n\": %d}", started++);
    reply = qmp_monitor_execute(monitor, "x", arguments, LONG, &failure);
    CHECK_OK(reply != NULL, failure);
    qmp_buffer_free(reply);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script, NULL);
    qmp_monitor *monitor = OPEN(peer_target(peer));
    int last = -1;

    for (int i = 0; i < COMMANDS / 2; i++) {
        start_one(monitor, i % 40 == 0 ? start_two : log_reply);
    }
    log_turn(&log, qmp_monitor_reactor(monitor), COMMANDS / 2 + 10);
    for (int i = 0; i < log_count(&log); i++) {
        int n = atoi(json_get(log.entries[i].json, "return.n"));
        CHECK_INT(log.entries[i].code, QMP_CODE_OK);
        CHECK(n > last);
        last = n;
    }
    CHECK_INT(__atomic_load_n(&seen, __ATOMIC_SEQ_CST), started);
    qmp_monitor_free(monitor);
    log_clear(&log);
    peer_end(peer);
    return 0;
}
