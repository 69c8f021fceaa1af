/* JSON texts (RFC 8259), read from the front: what is wrong anywhere makes `wrong` the octet where it is. */
#ifndef JSON_H
#define JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    uint8_t *octets;
    size_t length;
};

struct json {
    const uint8_t *octets;
    size_t length, at;
    unsigned depth;
    bool wrong;
};

/* The next octet that is no white space, 0 at the end. */
uint8_t json_next(struct json *json);
/* Takes this octet, if it is the next one. */
bool json_take(struct json *json, uint8_t octet);
/* Reads a text; what it gives is the caller's to free. */
struct text json_text(struct json *json);
/* Reads any value, and forgets it. */
void json_skip(struct json *json);
/* Reads the word `null`, if it is the next value. */
bool json_null(struct json *json);

#endif
