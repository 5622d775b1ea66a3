/* The steps of a script that know QMP. */
#include "peer.h"

#include <stdarg.h>

bool peer_send(struct peer *peer, const char *text)
{
    return peer_send_bytes(peer, text, strlen(text));
}

bool peer_send_pieces(struct peer *peer, const char *text, size_t piece, int pause)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at += piece) {
        if (!peer_send_bytes(peer, text + at, len - at < piece ? len - at : piece)) {
            return false;
        }
        pause_ms(pause);
    }
    return true;
}

bool peer_printf(struct peer *peer, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    bool sent;

    va_start(args, format);
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    sent = peer_send(peer, text);
    free(text);
    return sent;
}

bool peer_event(struct peer *peer, const char *name, const char *data)
{
    return peer_printf(peer,
                       "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 5}, \"event\": \"%s\"%s%s}\r\n",
                       name, data != NULL ? ", \"data\": " : "", data != NULL ? data : "");
}

/* The length of the first whole object in the buffer, 0 if there is none yet. */
static size_t whole_object(const char *in, size_t len)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (in[i] == '\\') {
                i++;
            } else if (in[i] == '"') {
                in_string = false;
            }
        } else if (in[i] == '"') {
            in_string = true;
        } else if (in[i] == '{' || in[i] == '[') {
            depth++;
        } else if ((in[i] == '}' || in[i] == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

const char *peer_request(struct peer *peer)
{
    size_t end;

    while ((end = whole_object(peer->in, peer->len)) == 0) {
        if (!peer_read(peer, -1)) {
            return NULL;
        }
    }
    free(peer->request);
    peer->request = malloc(end + 1);
    CHECK(peer->request != NULL);
    memcpy(peer->request, peer->in, end);
    peer->request[end] = '\0';
    memmove(peer->in, peer->in + end, peer->len - end);
    peer->len -= end;
    snprintf(peer->id, sizeof peer->id, "%s", json_get(peer->request, "id"));
    return peer->request;
}

const char *peer_id(const struct peer *peer)
{
    return peer->id;
}

bool peer_expect(struct peer *peer, const char *command)
{
    char quoted[80];

    if (peer_request(peer) == NULL) {
        return false;
    }
    snprintf(quoted, sizeof quoted, "\"%s\"", command);
    CHECK_HAS(peer->request, quoted);
    return true;
}

bool peer_answer(struct peer *peer, const char *value)
{
    return peer_printf(peer, "{\"return\": %s, \"id\": %s}\r\n", value, peer->id);
}

bool peer_fail(struct peer *peer, const char *class, const char *desc)
{
    return peer_printf(peer, "{\"id\": %s, \"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\r\n", peer->id, class,
                       desc);
}

static bool greet(struct peer *peer, const char *greeting)
{
    return peer_accept(peer) && peer_send(peer, greeting) && peer_expect(peer, "qmp_capabilities") &&
           peer_answer(peer, "{}");
}

bool peer_greet(struct peer *peer)
{
    return greet(peer, GREETING(""));
}

bool peer_greet_oob(struct peer *peer)
{
    return greet(peer, GREETING("\"oob\""));
}

void peer_echo(struct peer *peer)
{
    const char *request;

    while ((request = peer_request(peer)) != NULL) {
        const char *arguments = json_get(request, "arguments");
        if (!peer_answer(peer, arguments[0] != '\0' ? arguments : "{}")) {
            return;
        }
    }
}

void peer_drain(struct peer *peer)
{
    while (peer_read(peer, -1)) {
        peer->len = 0;
    }
}

size_t peer_silence(struct peer *peer, int ms)
{
    long long end = now_ms() + ms;
    size_t before = peer->len;
    long long left;

    while ((left = end - now_ms()) > 0 && peer_read(peer, (int)left)) {
    }
    return peer->len - before;
}

void script_echo(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        peer_echo(peer);
    }
}

void script_silent(struct peer *peer, void *arg)
{
    (void)arg;
    while (peer_greet(peer)) {
        peer_drain(peer);
    }
}

void script_tick(struct peer *peer, void *arg)
{
    (void)arg;
    if (peer_greet(peer)) {
        while (peer_wait(peer) && peer_event(peer, "TICK", NULL)) {
        }
    }
}
