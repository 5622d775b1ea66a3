// Requests as the fake server reads them: whole ones out of what came, in one pass, and only what it has to know.
#ifndef LIBQMP_FAKE_REQUEST_H
#define LIBQMP_FAKE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// What a request says: spans of it, all NULL if it does not say them, and the number in its arguments.
struct request {
    const char *command, *id;
    size_t command_len, id_len;
    uint64_t number;
};

static inline const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

// The end of the string, or of the number or word, that begins at p; NULL if it is not all there.
static inline const char *skip_scalar(const char *p, const char *end)
{
    if (*p != '"') {
        while (p < end && !strchr(",}] \t\r\n", *p))
            p++;
        return p < end ? p : NULL;
    }
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        p += *p == '\\';
    }
    return NULL;
}

// Is this string, with its quotes, the name?
static inline bool is(const char *string, size_t len, const char *name)
{
    return len == strlen(name) + 2 && memcmp(string + 1, name, len - 2) == 0;
}

// Reads one request in one pass, and returns its end; NULL if it is not all there. Ids are strings or numbers.
static inline const char *read_request(const char *p, const char *end, struct request *request)
{
    const char *key = NULL;
    size_t key_len = 0;
    int depth = 0;
    memset(request, 0, sizeof *request);
    while ((p = skip_blanks(p, end)) < end) {
        if (strchr("{[}],:", *p)) {
            depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
            key = *p == ':' ? key : NULL;
            p++;
            if (depth == 0)
                return p;
            continue;
        }
        const char *next = skip_scalar(p, end);
        if (!next)
            return NULL;
        if (!key) {
            key = p, key_len = (size_t)(next - p);
        } else if (depth == 1 && (is(key, key_len, "execute") || is(key, key_len, "exec-oob"))) {
            request->command = p, request->command_len = (size_t)(next - p);
        } else if (depth == 1 && is(key, key_len, "id")) {
            request->id = p, request->id_len = (size_t)(next - p);
        } else if (depth == 2 && *p >= '0' && *p <= '9') {
            request->number = strtoull(p, NULL, 10);
        }
        p = next;
    }
    return NULL;
}

#endif
