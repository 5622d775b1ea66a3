/* The callback for credentials is asked in the thread that connects, what it says goes to the daemon, giving up is an
 * error, freeing waits for it, and its user_data is freed exactly once. The daemon is played: it asks for SASL. */
#include "harness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char path_parameter[] = "qemu+unix:///session?socket=";
static char target[400];
static int listener;
static char heard[100];
static size_t heard_len;

static bool take(int client, void *bytes, size_t len)
{
    return recv(client, bytes, len, MSG_WAITALL) == (ssize_t)len;
}

static void put(unsigned char **at, uint32_t word)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        *(*at)++ = (unsigned char)(word >> shift);
    }
}

/* The payload of the answer to this procedure, behind the header. */
static void answer(unsigned char **at, uint32_t procedure, const unsigned char *payload)
{
    switch (procedure) {
    case 66: /* AUTH_LIST: sasl */
        put(at, 1), put(at, 1);
        break;
    case 67: /* AUTH_SASL_INIT */
        put(at, 5), memcpy(*at, "PLAIN\0\0\0", 8), *at += 8;
        break;
    case 68: /* AUTH_SASL_START: the mechanism, nil, then four bytes a char */
        heard_len = payload[19];
        for (size_t i = 0; i < heard_len; i++) {
            heard[i] = (char)payload[20 + 4 * i + 3];
        }
        put(at, 1), put(at, 1), put(at, 0);
        break;
    case 316: /* lifecycle events */
        put(at, 0);
        break;
    }
}

/* Serves clients until the listener is shut down. */
static void *play(void *unused)
{
    int client;

    (void)unused;
    while ((client = accept(listener, NULL, NULL)) >= 0) {
        unsigned char packet[1000], reply[200], *at;

        while (take(client, packet, 4) && packet[2] < 3 && take(client, packet + 4, packet[2] * 256u + packet[3] - 4u)) {
            memcpy(reply, packet, 28);
            at = reply + 16, put(&at, 1);
            at = reply + 28;
            answer(&at, packet[14] * 256u + packet[15], packet + 28);
            ptrdiff_t len = at - reply;
            at = reply, put(&at, (uint32_t)len);
            CHECK_INT(send(client, reply, (size_t)len, MSG_NOSIGNAL), len);
        }
        close(client);
    }
    return NULL;
}

static pthread_t asked_in;
static int asked, freed, gives_up;
static sem_t inside, leave;
static bool waits;

static void count_free(void *user_data)
{
    __atomic_add_fetch((int *)user_data, 1, __ATOMIC_SEQ_CST);
}

static int32_t give(void *user_data, qmp_monitor *monitor, qmp_credentials *credentials)
{
    CHECK_INT(qmp_monitor_state(monitor) == QMP_STATE_CONNECTING, 0);
    CHECK_INT(*(int *)user_data, 0);
    asked_in = pthread_self();
    asked++;
    if (waits) {
        sem_post(&inside);
        wait_for(&leave);
        waits = false;
    }
    CHECK_INT(qmp_credentials_set(credentials, "colour", "red"), -1);
    CHECK_INT(qmp_credentials_set(credentials, NULL, "x"), -1);
    CHECK_INT(qmp_credentials_set(credentials, "username", NULL), -1);
    CHECK_INT(qmp_credentials_set(credentials, "password", "\xff"), -1);
    CHECK_INT(qmp_credentials_set(NULL, "username", "x"), -1);
    CHECK_INT(qmp_credentials_set(credentials, "username", "fred"), 0);
    CHECK_INT(qmp_credentials_set(credentials, "password", "other"), 0);
    CHECK_INT(qmp_credentials_set(credentials, "password", "hidden-7"), 0);
    return gives_up ? -1 : 0;
}

static void what_it_says_is_used(void)
{
    qmp_monitor *monitor = NEW(target);
    qmp_error *error = NULL;

    freed = asked = 0;
    CHECK_OK(qmp_monitor_set_credentials(monitor, give, &freed, count_free, &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(asked, 1);
    CHECK(pthread_equal(asked_in, pthread_self()));
    CHECK_INT(heard_len, 14);
    CHECK(memcmp(heard, "\0fred\0hidden-7", 14) == 0);
    CHECK_INT(qmp_monitor_set_credentials(monitor, give, &freed, NULL, &error), -1);
    CHECK_ERROR(error, STATE, NULL);
    CHECK_STR(qmp_monitor_target(monitor), target);
    CHECK_INT(freed, 0);
    qmp_monitor_free(monitor);
    CHECK_INT(freed, 1);
}

static void giving_up_is_an_error(void)
{
    qmp_monitor *monitor = NEW(target);
    struct log log = LOG_INIT;
    qmp_error *error = NULL;

    freed = asked = 0;
    gives_up = 1;
    CHECK_OK(qmp_monitor_set_credentials(monitor, give, &freed, count_free, &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK(strstr(qmp_error_message(error), "hidden-7") == NULL);
    CHECK_ERROR(error, CANCELED, "gave up");
    CHECK_INT(qmp_monitor_connect_start(monitor, LONG, log_done, &log, log_free, &error), -1);
    CHECK_ERROR(error, CANCELED, "gave up");
    CHECK_INT(log_freed(&log), 1);
    CHECK_INT(asked, 2);
    gives_up = 0;
    /* Another one takes its place; a bad one is freed at once. */
    int second = 0, third = 0;
    CHECK_OK(qmp_monitor_set_credentials(monitor, give, &second, count_free, &error) == 0, error);
    CHECK_INT(freed, 1);
    CHECK_INT(qmp_monitor_set_credentials(monitor, NULL, &third, count_free, &error), -1);
    CHECK_ERROR(error, INVALID_ARGUMENT, "NULL");
    CHECK_INT(third, 1);
    CHECK_INT(qmp_monitor_set_credentials(NULL, give, &third, count_free, &error), -1);
    CHECK_ERROR(error, INVALID_ARGUMENT, "NULL");
    CHECK_INT(third, 2);
    /* Whoever is named by an option is not asked. */
    CHECK_OK(qmp_monitor_set(monitor, "username", "joe", &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK_ERROR(error, INVALID_ARGUMENT, "password is not");
    CHECK_OK(qmp_monitor_set(monitor, "password", "word", &error) == 0, error);
    CHECK_OK(qmp_monitor_connect(monitor, LONG, &error) == 0, error);
    CHECK_INT(asked, 2);
    CHECK(memcmp(heard, "\0joe\0word", 9) == 0);
    qmp_monitor_free(monitor);
    CHECK_INT(second, 1);
    CHECK_INT(freed, 1);
}

static void *connect_there(void *monitor)
{
    qmp_error *error = NULL;

    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    CHECK_ERROR(error, CANCELED, "freed");
    return NULL;
}

static void *let_it_leave(void *unused)
{
    (void)unused;
    pause_ms(40);
    CHECK_INT(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), 0);
    sem_post(&leave);
    return NULL;
}

static void freeing_waits_for_it(void)
{
    qmp_monitor *monitor = NEW(target);
    qmp_error *error = NULL;
    pthread_t connecting, leaving;

    freed = asked = 0;
    waits = true;
    CHECK_OK(qmp_monitor_set_credentials(monitor, give, &freed, count_free, &error) == 0, error);
    CHECK_INT(pthread_create(&connecting, NULL, connect_there, monitor), 0);
    wait_for(&inside);
    CHECK_INT(pthread_create(&leaving, NULL, let_it_leave, NULL), 0);
    qmp_monitor_free(monitor);
    CHECK_INT(__atomic_load_n(&freed, __ATOMIC_SEQ_CST), 1);
    CHECK_INT(pthread_join(connecting, NULL), 0);
    CHECK_INT(pthread_join(leaving, NULL), 0);
}

static int32_t free_inside(void *user_data, qmp_monitor *monitor, qmp_credentials *credentials)
{
    CHECK_INT(qmp_credentials_set(credentials, "username", "fred"), 0);
    qmp_monitor_free(monitor);
    CHECK_INT(*(int *)user_data, 0);
    return 0;
}

static void freeing_inside_it(void)
{
    qmp_monitor *monitor = NEW(target);
    qmp_error *error = NULL;

    freed = 0;
    CHECK_OK(qmp_monitor_set_credentials(monitor, free_inside, &freed, count_free, &error) == 0, error);
    CHECK_INT(qmp_monitor_connect(monitor, LONG, &error), -1);
    qmp_error_free(error);
    CHECK_INT(freed, 1);
}

int main(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = own_path("daemon");
    pthread_t daemon;

    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    CHECK(snprintf(target, sizeof target, "%s%s", path_parameter, path) < (int)sizeof target);
    CHECK(snprintf(address.sun_path, sizeof address.sun_path, "%s", path) < (int)sizeof address.sun_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(listen(listener, 8), 0);
    CHECK_INT(pthread_create(&daemon, NULL, play, NULL), 0);
    what_it_says_is_used();
    giving_up_is_an_error();
    freeing_waits_for_it();
    freeing_inside_it();
    shutdown(listener, SHUT_RDWR);
    CHECK_INT(pthread_join(daemon, NULL), 0);
    close(listener);
    return 0;
}
