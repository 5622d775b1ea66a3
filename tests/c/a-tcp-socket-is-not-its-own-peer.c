/* A TCP socket that dials a port of its own range on this machine may be given that very port, and is then connected to
 * itself: that is no monitor, and counts as refused. */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port that nobody listens at; an even one, because the kernel gives these to sockets that dial, and odd ones to those
 * that are bound. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    for (int i = 0; i < 100; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool bound;

        CHECK(fd >= 0);
        bound = bind(fd, (struct sockaddr *)&address, len) == 0;
        CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        close(fd);
        if (bound && ntohs(address.sin_port) % 2 == 0) {
            return ntohs(address.sin_port);
        }
        address.sin_port = bound ? htons((uint16_t)(ntohs(address.sin_port) + 1)) : 0;
    }
    check_failed(__FILE__, __LINE__, "no even port is free");
}

int main(void)
{
    char target[40];
    qmp_error *error = NULL;
    qmp_monitor *monitor;

    snprintf(target, sizeof target, "tcp:127.0.0.1:%d", free_port());
    monitor = NEW(target);
    /* The kernel goes through all its ports: one attempt in some ten thousand meets itself. */
    for (int i = 0; i < amount(60000, 300); i++) {
        CHECK_INT(qmp_monitor_connect(monitor, 0, &error), -1);
        if (strstr(qmp_error_message(error), "greeting") != NULL) {
            check_failed(__FILE__, __LINE__, "attempt %d: %s", i, qmp_error_message(error));
        }
        qmp_error_free(error);
    }
    qmp_monitor_free(monitor);
    return 0;
}
