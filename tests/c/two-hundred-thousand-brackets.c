/* Nesting beyond all bounds, from the peer as from the caller: an error, no stack overflow. */
#include "harness.h"

#include <sys/resource.h>

#define DEPTH 200000

static void brackets(struct peer *peer, void *arg)
{
    bool greeted = arg != NULL;
    char *deep = malloc(DEPTH + 1);

    CHECK(deep != NULL);
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    if (greeted ? peer_greet(peer) && peer_request(peer) != NULL : peer_accept(peer)) {
        if (peer_send(peer, greeted ? "{\"return\": " : "") && peer_send(peer, deep)) {
            peer_drain(peer);
        }
    }
    free(deep);
}

static void *with_a_small_stack(void *arg)
{
    struct peer *peer = peer_start(PEER_UNIX, brackets, NULL);
    qmp_monitor *monitor = NEW(peer_target(peer));
    qmp_error *error = NULL;
    char *deep = arg;

    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK_ERROR(error, PROTOCOL, NULL);
    qmp_monitor_free(monitor);
    peer_end(peer);

    peer = peer_start(PEER_UNIX, brackets, "after the greeting");
    monitor = OPEN(peer_target(peer));
    CHECK(qmp_monitor_run(monitor, deep, LONG, &error) == NULL);
    CHECK_INT(qmp_error_delivery(error), QMP_DELIVERY_NOT_SENT);
    CHECK(qmp_error_code(error) == QMP_CODE_INVALID_ARGUMENT || qmp_error_code(error) == QMP_CODE_LIMIT);
    qmp_error_free(error);
    error = NULL;
    CHECK(qmp_monitor_execute(monitor, "query-status", NULL, LONG, &error) == NULL);
    CHECK_ERROR(error, PROTOCOL, NULL);
    qmp_monitor_free(monitor);
    peer_end(peer);
    return NULL;
}

int main(void)
{
    static const char head[] = "{\"execute\": \"stop\", \"id\": ";
    char *deep = malloc(sizeof head + 2 * DEPTH + 2);
    pthread_attr_t attributes;
    pthread_t thread;

    CHECK(deep != NULL);
    strcpy(deep, head);
    memset(deep + strlen(head), '[', DEPTH);
    memset(deep + strlen(head) + DEPTH, ']', DEPTH);
    strcpy(deep + strlen(head) + 2 * (size_t)DEPTH, "}");
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    CHECK_INT(pthread_create(&thread, &attributes, with_a_small_stack, deep), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    free(deep);
    return 0;
}
