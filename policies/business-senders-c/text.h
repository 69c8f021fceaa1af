/* Texts, and parts of them: not ended by 0, and not theirs to free. */
#ifndef TEXT_H
#define TEXT_H
#include "json.h"

static inline uint8_t lower(uint8_t octet) { return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet; }

static inline struct text part(struct text text, size_t from, size_t until) {
    return (struct text){text.octets + from, until - from};
}

/* Where an octet is; the length if it is not there. */
static inline size_t find(struct text text, uint8_t octet) {
    size_t at = 0;
    while (at < text.length && text.octets[at] != octet)
        at++;
    return at;
}

#endif
