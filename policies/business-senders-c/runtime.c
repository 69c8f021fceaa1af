/* The C library of a policy: memory and octets, nothing else. Instances are reused, so what is freed is used again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536u
/* Every block has its class before it: it holds 8 << class octets. */
#define HEADER 8u
#define CLASSES 22

struct block {
    struct block *next;
};

extern uint8_t __heap_base;

static struct block *unused[CLASSES];
static uint8_t *top;

void abort(void) { __builtin_trap(); }

/* More memory from the host, which may refuse it. */
static uint8_t *fresh(size_t size) {
    if (!top)
        top = (uint8_t *)(((uintptr_t)&__heap_base + 7) & ~(uintptr_t)7);
    size_t room = (size_t)__builtin_wasm_memory_size(0) * PAGE - (size_t)(uintptr_t)top;
    if (room < size) {
        if (__builtin_wasm_memory_grow(0, (size - room + PAGE - 1) / PAGE) == (size_t)-1)
            abort();
    }
    uint8_t *block = top;
    top += size;
    return block;
}

void *malloc(size_t size) {
    unsigned class = 0;
    while (class < CLASSES && ((size_t)8 << class) < size)
        class++;
    if (class == CLASSES)
        abort();
    struct block *old = unused[class];
    if (old) {
        unused[class] = old->next;
        return old;
    }
    uint8_t *block = fresh(HEADER + ((size_t)8 << class));
    *(uint32_t *)block = class;
    return block + HEADER;
}

void free(void *old) {
    if (!old)
        return;
    uint32_t class = *(uint32_t *)((uint8_t *)old - HEADER);
    ((struct block *)old)->next = unused[class];
    unused[class] = old;
}

void *realloc(void *old, size_t size) {
    if (!old)
        return malloc(size);
    size_t had = (size_t)8 << *(uint32_t *)((uint8_t *)old - HEADER);
    if (size <= had)
        return old;
    void *grown = malloc(size);
    memcpy(grown, old, had);
    free(old);
    return grown;
}

void *memcpy(void *to, const void *from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    while (size--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int octet, size_t size) {
    uint8_t *t = to;
    while (size--)
        *t++ = (uint8_t)octet;
    return to;
}

int memcmp(const void *one, const void *other, size_t size) {
    const uint8_t *a = one, *b = other;
    for (; size; size--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}
