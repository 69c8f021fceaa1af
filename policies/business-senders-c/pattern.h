/* Patterns of senders: what they are held against, and which can match nobody. In Rust: business-senders/src/pattern.rs. */
#ifndef PATTERN_H
#define PATTERN_H
#include "json.h"

/* Why nobody's address could match it, and what to write; NULL if one could. */
const char *pattern_wrong(struct text pattern);
/* Whether a pattern, in lower case, covers an address without its scheme. */
bool pattern_covers(struct text pattern, struct text address);

#endif
