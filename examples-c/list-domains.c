// Prints the domains of a hypervisor, running or not, as a table: name, UUID, id, state.
//
//     list-domains qemu:///system
#include <libqmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A part of the JSON text.
struct text {
    const char *start;
    int len;
};

// The value that follows `key`, a string without its quotes; what JSON escapes in it stays as it is. Moves `*at` behind
// it. The key cannot be found inside a string: quotes are escaped there.
static int member(const char **at, const char *key, struct text *value)
{
    const char *end, *found = strstr(*at, key);
    if (!found)
        return 0;
    found += strlen(key);
    if (*found == '"') {
        for (end = ++found; *end && *end != '"'; end++)
            if (*end == '\\' && end[1])
                end++;
    } else {
        end = found + strcspn(found, ",}");
    }
    value->start = found;
    value->len = (int)(end - found);
    *at = end;
    return 1;
}

struct domain {
    struct text name, uuid, id, state;
};

static int next_domain(const char **at, struct domain *domain)
{
    return member(at, "\"name\":", &domain->name) && member(at, "\"uuid\":", &domain->uuid) &&
           member(at, "\"id\":", &domain->id) && member(at, "\"state\":", &domain->state);
}

// How many characters of UTF-8 these are.
static int characters(struct text text)
{
    int count = 0;
    for (int i = 0; i < text.len; i++)
        count += (text.start[i] & 0xc0) != 0x80;
    return count;
}

static void print(const char *json)
{
    const char *at;
    struct domain domain;
    int width = 4;

    for (at = json; next_domain(&at, &domain);)
        if (characters(domain.name) > width)
            width = characters(domain.name);
    printf("%-*s  %-36s  %5s  %s\n", width, "NAME", "UUID", "ID", "STATE");
    for (at = json; next_domain(&at, &domain);) {
        // A domain that is shut off has no id: -1.
        struct text id = *domain.id.start == '-' ? (struct text){"-", 1} : domain.id;
        printf("%.*s%*s  %.*s  %5.*s  %.*s\n", domain.name.len, domain.name.start, width - characters(domain.name), "",
               domain.uuid.len, domain.uuid.start, id.len, id.start, domain.state.len, domain.state.start);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: list-domains TARGET\n"
              "TARGET: qemu:///system, qemu:///session, qemu+tcp://HOST/system or qemu+unix:///session?socket=PATH\n",
              stderr);
        return 2;
    }
    qmp_error *err = NULL;
    // The target names no domain: it is the hypervisor.
    qmp_monitor *host = qmp_monitor_open(NULL, argv[1], 5000, &err);
    qmp_buffer *domains = host ? qmp_monitor_domains(host, QMP_TIMEOUT_DEFAULT, &err) : NULL;
    if (domains) {
        print(qmp_buffer_data(domains));
    } else {
        fprintf(stderr, "list-domains: %s\n", qmp_error_message(err));
        qmp_error_free(err);
    }
    qmp_buffer_free(domains);
    qmp_monitor_free(host);
    return domains ? EXIT_SUCCESS : EXIT_FAILURE;
}
