#include "json.h"
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

static uint8_t peek(struct json *json) { return json->at < json->length ? json->octets[json->at] : 0; }

static void wrong(struct json *json) { json->wrong = true; }

uint8_t json_next(struct json *json) {
    uint8_t octet;
    while ((octet = peek(json)) == ' ' || octet == '\t' || octet == '\n' || octet == '\r')
        json->at++;
    return octet;
}

bool json_take(struct json *json, uint8_t octet) {
    if (json->wrong || json_next(json) != octet || json->at >= json->length)
        return false;
    json->at++;
    return true;
}

static int hexadecimal(uint8_t octet) {
    if (octet >= '0' && octet <= '9')
        return octet - '0';
    octet |= 0x20;
    return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
}

static uint32_t four(struct json *json) {
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        int digit = hexadecimal(peek(json));
        if (digit < 0) {
            wrong(json);
            return 0;
        }
        code = code << 4 | (uint32_t)digit;
    }
    return code;
}

static size_t put(uint8_t *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (uint8_t)(first[more] | code >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        to[i] = (uint8_t)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

/* What follows a backslash. */
static uint32_t escaped(struct json *json) {
    uint8_t octet = peek(json);
    json->at++;
    switch (octet) {
    case '"': case '\\': case '/': return octet;
    case 'b': return 8;
    case 'f': return 12;
    case 'n': return 10;
    case 'r': return 13;
    case 't': return 9;
    case 'u': break;
    default: wrong(json); return 0;
    }
    uint32_t code = four(json);
    if (code >= 0xd800 && code < 0xdc00 && peek(json) == '\\') {
        json->at++;
        if (peek(json) != 'u') {
            wrong(json);
            return 0;
        }
        json->at++;
        uint32_t second = four(json);
        if (second < 0xdc00 || second > 0xdfff)
            wrong(json);
        return 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000)
        wrong(json);
    return code;
}

/* Octets until the quote that ends the text which has begun. */
static size_t until_quote(const struct json *json) {
    size_t at = json->at;
    while (at < json->length && json->octets[at] != '"')
        at += json->octets[at] == '\\' ? 2 : 1;
    return (at < json->length ? at : json->length) - json->at;
}

struct text json_text(struct json *json) {
    struct text text = {NULL, 0};
    if (!json_take(json, '"')) {
        wrong(json);
        return text;
    }
    /* No escape is shorter than what it stands for, but one that is wrong may be. */
    text.octets = malloc(until_quote(json) + 4);
    for (;;) {
        uint8_t octet = peek(json);
        if (json->wrong || json->at >= json->length || octet < 0x20) {
            wrong(json);
            return text;
        }
        json->at++;
        if (octet == '"')
            return text;
        if (octet == '\\')
            text.length += put(text.octets + text.length, escaped(json));
        else
            text.octets[text.length++] = octet;
    }
}

static bool digits(struct json *json) {
    size_t start = json->at;
    while (peek(json) >= '0' && peek(json) <= '9')
        json->at++;
    return json->at > start;
}

static bool one_of(struct json *json, uint8_t one, uint8_t other) {
    if (peek(json) != one && peek(json) != other)
        return false;
    json->at++;
    return true;
}

static void number(struct json *json) {
    one_of(json, '-', '-');
    if (!one_of(json, '0', '0') && !digits(json))
        wrong(json);
    if (one_of(json, '.', '.') && !digits(json))
        wrong(json);
    if (one_of(json, 'e', 'E')) {
        one_of(json, '+', '-');
        if (!digits(json))
            wrong(json);
    }
}

static bool word(struct json *json, const char *word) {
    size_t length = strlen(word);
    if (json->wrong || json->length - json->at < length || memcmp(json->octets + json->at, word, length) != 0)
        return false;
    json->at += length;
    return true;
}

bool json_null(struct json *json) {
    json_next(json);
    return word(json, "null");
}

/* Members or elements, and what closes them. */
static void several(struct json *json, uint8_t close) {
    json->at++;
    if (++json->depth > DEPTH_MAX) {
        wrong(json);
        return;
    }
    if (!json_take(json, close)) {
        do {
            if (close == '}') {
                free(json_text(json).octets);
                if (!json_take(json, ':'))
                    wrong(json);
            }
            json_skip(json);
        } while (json_take(json, ','));
        if (!json_take(json, close))
            wrong(json);
    }
    json->depth--;
}

void json_skip(struct json *json) {
    if (json->wrong)
        return;
    uint8_t octet = json_next(json);
    if (octet == '{')
        several(json, '}');
    else if (octet == '[')
        several(json, ']');
    else if (octet == '"')
        free(json_text(json).octets);
    else if (octet == '-' || (octet >= '0' && octet <= '9'))
        number(json);
    else if (!word(json, "true") && !word(json, "false") && !word(json, "null"))
        wrong(json);
}
