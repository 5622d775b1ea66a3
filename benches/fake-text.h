// The texts of the fake server: a buffer that grows, JSON of an exact size, and QEMU's two ways of writing JSON.
#ifndef LIBQMP_FAKE_TEXT_H
#define LIBQMP_FAKE_TEXT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t len, room;
};

static inline void text_add(struct text *text, const char *bytes, size_t len)
{
    if (text->room - text->len < len) {
        text->room = 2 * (text->len + len);
        text->bytes = realloc(text->bytes, text->room);
        if (!text->bytes)
            abort();
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static inline void text_puts(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

static inline void text_line(struct text *text, int depth)
{
    text_puts(text, "\r\n");
    for (int i = 0; i < depth; i++)
        text_puts(text, "    ");
}

// Adds compact JSON as QEMU writes it with pretty=on: a member a line, four blanks a level. It begins at this depth.
static inline void text_pretty(struct text *text, const char *json, size_t len, int depth)
{
    bool inside = false;
    for (size_t i = 0; i < len; i++) {
        char c = json[i];
        if (inside) {
            text_add(text, &c, 1);
            if (c == '\\' && i + 1 < len)
                text_add(text, &json[++i], 1);
            inside = c != '"';
            continue;
        }
        if (c == '}' || c == ']')
            text_line(text, --depth);
        text_add(text, &c, 1);
        inside = c == '"';
        if (c == '{' || c == '[') {
            depth++;
            if (json[i + 1] != '}' && json[i + 1] != ']')
                text_line(text, depth);
        } else if (c == ',') {
            text_line(text, depth);
            i += json[i + 1] == ' ';
        }
    }
}

// Adds an array of exactly `size` bytes (four at least) that looks like what QEMU tells of its devices: short strings,
// numbers and objects in objects. A string of the letter x fills what is left.
static inline void text_array(struct text *text, size_t size)
{
    size_t begin = text->len;
    char item[256];
    text_puts(text, "[");
    for (unsigned number = 0;; number++) {
        int len = snprintf(item, sizeof item,
                           "{\"device\": \"drive%u\", \"qdev\": \"/machine/peripheral/disk%u\", \"removable\": %s, "
                           "\"io-status\": \"ok\", \"inserted\": {\"ro\": false, \"drv\": \"qcow2\", \"iops\": %u, "
                           "\"cache\": {\"no-flush\": false, \"direct\": true}}}, ",
                           number, number, number % 2 ? "true" : "false", number * 7);
        // Behind the last object there must be room for "" and the bracket.
        if (text->len - begin + (size_t)len + 3 > size)
            break;
        text_add(text, item, (size_t)len);
    }
    text_puts(text, "\"");
    while (text->len - begin + 2 < size)
        text_puts(text, "x");
    text_puts(text, "\"]");
}

#endif
