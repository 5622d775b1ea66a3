/* 1,100 monitors in one thread, with descriptors far above 1,024: every answer reaches the one who asked. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 1100

static int connections[MOST];
static int listener, monitors_count;

/* One request a connection at a time, each in one piece: enough to serve them without buffers. */
static void answer(int fd)
{
    char request[512];
    char reply[700];
    char arguments[64];
    ssize_t n = recv(fd, request, sizeof request - 1, 0);

    if (n <= 0) {
        return;
    }
    request[n] = '\0';
    CHECK_INT(request[n - 1], '\n');
    snprintf(arguments, sizeof arguments, "%s", json_get(request, "arguments"));
    n = snprintf(reply, sizeof reply, "{\"return\": %s, \"id\": %s}\r\n",
                 arguments[0] != '\0' ? arguments : "{}", json_get(request, "id"));
    CHECK_INT(send(fd, reply, (size_t)n, MSG_NOSIGNAL), n);
}

static void *serve(void *unused)
{
    static struct pollfd fds[MOST + 1];
    int count = 1;
    int left = monitors_count;

    (void)unused;
    fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    while (left > 0) {
        CHECK(poll(fds, (nfds_t)count, LONG) > 0);
        if (fds[0].revents != 0 && count <= monitors_count) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            CHECK(fd >= 0);
            CHECK(send(fd, GREETING(""), strlen(GREETING("")), MSG_NOSIGNAL) > 0);
            connections[count - 1] = fd;
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
        for (int i = 1; i < count; i++) {
            if ((fds[i].revents & POLLIN) != 0 && recv(fds[i].fd, &(char){0}, 1, MSG_PEEK) > 0) {
                answer(fds[i].fd);
            } else if (fds[i].revents != 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                left--;
            }
        }
    }
    return NULL;
}

static int answers[MOST], done;

static void on_reply(void *user_data, qmp_monitor *monitor, const qmp_error *error, const char *json, size_t len)
{
    int i = (int)(intptr_t)user_data;

    (void)monitor, (void)len;
    if (error != NULL) {
        check_failed(__FILE__, __LINE__, "%s", qmp_error_message(error));
    }
    CHECK_INT(atoi(json_get(json, "return.n")), i);
    answers[i]++;
    done++;
}

static void on_done(void *user_data, qmp_monitor *monitor, const qmp_error *error)
{
    (void)user_data, (void)monitor;
    if (error != NULL) {
        check_failed(__FILE__, __LINE__, "%s", qmp_error_message(error));
    }
    done++;
}

static void turn_until_done(qmp_reactor *reactor, int count)
{
    qmp_error *error = NULL;
    long long end = now_ms() + LONG;

    while (done < count) {
        CHECK_OK(qmp_reactor_turn(reactor, 100, &error) >= 0, error);
        CHECK(now_ms() < end);
    }
    CHECK_INT(done, count);
    done = 0;
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(listen(listener, 4096), 0);
}

int main(void)
{
    static qmp_monitor *monitors[MOST];
    struct rlimit limit;
    pthread_t server;
    qmp_reactor *reactor;
    qmp_error *error = NULL;
    char target[160];
    int spare;

    /* Under valgrind there are fewer monitors, and fewer descriptors than the test would like. */
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    monitors_count = amount(MOST, 60);
    spare = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, amount(1500, 100));
    CHECK(spare >= 0);
    listen_at(own_path("many"));
    snprintf(target, sizeof target, "unix:%s", own_path("many"));
    CHECK_INT(pthread_create(&server, NULL, serve, NULL), 0);
    reactor = NEW_REACTOR();
    for (int i = 0; i < monitors_count; i++) {
        monitors[i] = NEW_ON(reactor, target);
        CHECK_OK(qmp_monitor_connect_start(monitors[i], LONG, on_done, NULL, NULL, &error) == 0, error);
    }
    turn_until_done(reactor, monitors_count);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < monitors_count; i++) {
            char request[80];
            snprintf(request, sizeof request, "{\"execute\": \"echo\", \"arguments\": {\"n\": %d}}", i);
            CHECK_OK(qmp_monitor_start(monitors[i], request, LONG, on_reply, (void *)(intptr_t)i, NULL, &error) != 0,
                     error);
        }
        turn_until_done(reactor, monitors_count);
    }
    for (int i = 0; i < monitors_count; i++) {
        CHECK_INT(answers[i], 3);
        qmp_monitor_free(monitors[i]);
    }
    qmp_reactor_free(reactor);
    CHECK_INT(pthread_join(server, NULL), 0);
    close(spare);
    close(listener);
    return 0;
}
