/* An application that was busy loses no answer that came in time, though more links have one than a round can take. */
#include "harness.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than one wait for I/O brings. */
#define LINKS 1100

static int peers[LINKS];
static int answered, in_time;

static void note(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    (void)user_data, (void)monitor, (void)json, (void)len;
    answered++;
    in_time += qmp_error_code(error) == QMP_CODE_OK;
}

static void say(int peer, const char *text)
{
    CHECK_INT(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void answer(int peer)
{
    char request[4096], reply[64];
    ssize_t len = recv(peer, request, sizeof request - 1, 0);
    const char *id;

    CHECK(len > 0);
    request[len] = 0;
    id = strstr(request, "\"id\":");
    CHECK(id);
    snprintf(reply, sizeof reply, "{\"return\": {}, \"id\": %d}\r\n", atoi(id + strlen("\"id\":")));
    say(peer, reply);
}

static qmp_monitor *new_link(qmp_reactor *reactor, int *peer)
{
    char target[32];
    int ends[2];
    qmp_monitor *monitor;

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    snprintf(target, sizeof target, "fd:%d", ends[0]);
    monitor = NEW_ON(reactor, target);
    close(ends[0]);
    *peer = ends[1];
    say(*peer, GREETING(""));
    return monitor;
}

static void turn_until_all(qmp_reactor *reactor)
{
    qmp_error *error = NULL;

    while (answered < LINKS) {
        CHECK_OK(qmp_reactor_turn(reactor, LONG, &error) >= 0, error);
    }
}

static void connected(void *user_data, qmp_monitor *monitor, const qmp_error *error)
{
    (void)user_data, (void)monitor;
    CHECK_INT(qmp_error_code(error), QMP_CODE_OK);
    answered++;
}

int main(void)
{
    struct rlimit limit;
    qmp_reactor *reactor;
    static qmp_monitor *monitors[LINKS];
    qmp_error *error = NULL;
    int window = patience(500);

    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    reactor = NEW_REACTOR();
    for (int i = 0; i < LINKS; i++) {
        monitors[i] = new_link(reactor, &peers[i]);
        CHECK_OK(qmp_monitor_connect_start(monitors[i], LONG, connected, NULL, NULL, &error) == 0, error);
    }
    /* The greetings are there. */
    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    CHECK_OK(qmp_reactor_turn(reactor, 0, &error) >= 0, error);
    for (int i = 0; i < LINKS; i++) {
        answer(peers[i]);
    }
    turn_until_all(reactor);
    answered = 0;
    for (int i = 0; i < LINKS; i++) {
        CHECK_OK(qmp_monitor_start(monitors[i], "{\"execute\": \"x\"}", window, note, NULL, NULL, &error) != 0, error);
    }
    for (int i = 0; i < LINKS; i++) {
        answer(peers[i]);
    }
    pause_ms(2 * window);
    turn_until_all(reactor);
    CHECK_INT(in_time, LINKS);
    for (int i = 0; i < LINKS; i++) {
        qmp_monitor_free(monitors[i]);
        close(peers[i]);
    }
    qmp_reactor_free(reactor);
    return 0;
}
