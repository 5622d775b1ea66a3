/* The library is loaded, used and unloaded again and again: no descriptor, thread or mapping stays behind. */
#include "harness.h"

#include <dirent.h>
#include <dlfcn.h>

/* A function pointer out of a library: ISO C knows no conversion, POSIX wants this one. */
#define LOAD(library, name) \
    __typeof__(&name) name##_; \
    *(void **)&name##_ = dlsym((library), #name); \
    CHECK(name##_ != NULL)

static bool is_mapped(void)
{
    char line[512];
    bool mapped = false;
    FILE *maps = fopen("/proc/self/maps", "r");

    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        mapped = mapped || strstr(line, "libqmp") != NULL;
    }
    fclose(maps);
    return mapped;
}

static void ignore_event(void *user_data, qmp_monitor *monitor, const char *event, const char *json, size_t len)
{
    (void)user_data, (void)monitor, (void)event, (void)json, (void)len;
}

static void use_once(const char *target)
{
    void *library = dlopen(LIBQMP_PATH, RTLD_NOW | RTLD_LOCAL);
    qmp_error *error = NULL;

    if (library == NULL) {
        check_failed(__FILE__, __LINE__, "%s", dlerror());
    }
    LOAD(library, qmp_reactor_new);
    LOAD(library, qmp_reactor_start);
    LOAD(library, qmp_reactor_free);
    LOAD(library, qmp_reactor_fd);
    LOAD(library, qmp_monitor_open);
    LOAD(library, qmp_monitor_subscribe);
    LOAD(library, qmp_monitor_execute);
    LOAD(library, qmp_monitor_free);
    LOAD(library, qmp_buffer_free);
    LOAD(library, qmp_error_free);
    qmp_reactor *reactor = qmp_reactor_new_(&error);
    CHECK(reactor != NULL);
    CHECK(qmp_reactor_fd_(reactor) >= 0);
    qmp_monitor *monitor = qmp_monitor_open_(reactor, target, LONG, &error);
    CHECK(monitor != NULL);
    CHECK(qmp_monitor_subscribe_(monitor, NULL, ignore_event, NULL, NULL, &error) != 0);
    CHECK_INT(qmp_reactor_start_(reactor, &error), 0);
    qmp_buffer *reply = qmp_monitor_execute_(monitor, "query-status", NULL, LONG, &error);
    CHECK(reply != NULL);
    qmp_buffer_free_(reply);
    CHECK(qmp_monitor_execute_(monitor, "query-status", NULL, -3, &error) == NULL);
    qmp_error_free_(error);
    qmp_reactor_free_(reactor);
    qmp_monitor_free_(monitor);
    CHECK_INT(dlclose(library), 0);
}

int main(void)
{
    struct peer *peer = peer_start(PEER_UNIX, script_echo, NULL);
    int before = 0;

    CHECK(!is_mapped());
    for (int i = 0; i < amount(50, 5); i++) {
        use_once(peer_target(peer));
        CHECK(!is_mapped());
        if (i == 1) {
            before = count_descriptors();
        }
    }
    /* The peer closes its end when it sees ours gone: one more or less is its own. */
    CHECK(count_descriptors() <= before + 1);
    peer_end(peer);
    return 0;
}
