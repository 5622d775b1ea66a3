/* Just enough JSON to look into replies and events that are well-formed. */
#include "internal.h"

#include <ctype.h>

#define RESULTS 8
#define RESULT_SIZE 4096

static const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at)) {
        at++;
    }
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '\0' && *at != '"'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        }
    }
    return *at == '"' ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
    int depth = 0;

    while (*at != '\0') {
        if (*at == '"') {
            at = skip_string(at);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
            continue;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) {
                return at;
            }
            depth--;
            at++;
        } else if (depth == 0 && (*at == ',' || isspace((unsigned char)*at))) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0) {
            return at;
        }
    }
    return at;
}

/* The value of a member of the object at `at`, or NULL. */
static const char *find_member(const char *at, const char *key, size_t key_len)
{
    at = skip_blanks(at);
    if (*at != '{') {
        return NULL;
    }
    at = skip_blanks(at + 1);
    while (*at == '"') {
        const char *name = at + 1;
        const char *name_end = skip_string(at) - 1;

        at = skip_blanks(name_end + 1);
        if (*at != ':') {
            return NULL;
        }
        at = skip_blanks(at + 1);
        if ((size_t)(name_end - name) == key_len && memcmp(name, key, key_len) == 0) {
            return at;
        }
        at = skip_blanks(skip_value(at));
        if (*at == ',') {
            at = skip_blanks(at + 1);
        }
    }
    return NULL;
}

const char *json_get(const char *json, const char *path)
{
    static _Thread_local char results[RESULTS][RESULT_SIZE];
    static _Thread_local unsigned next;
    char *result = results[next++ % RESULTS];
    size_t len;

    result[0] = '\0';
    while (json != NULL && *path != '\0') {
        len = strcspn(path, ".");
        json = find_member(json, path, len);
        path += path[len] == '.' ? len + 1 : len;
    }
    if (json == NULL) {
        return result;
    }
    len = (size_t)(skip_value(json) - json);
    len = len < RESULT_SIZE ? len : RESULT_SIZE - 1;
    memcpy(result, json, len);
    result[len] = '\0';
    return result;
}
