#include "pattern.h"
#include "text.h"
#include <string.h>

static bool is_digit(uint8_t octet) { return octet >= '0' && octet <= '9'; }

static bool is_one_of(uint8_t octet, const char *octets) {
    for (; *octets; octets++)
        if (octet == (uint8_t)*octets)
            return true;
    return false;
}

static bool has_one_of(struct text text, const char *octets) {
    for (size_t i = 0; i < text.length; i++)
        if (is_one_of(text.octets[i], octets))
            return true;
    return false;
}

/* Whether there is nothing but digits and these. */
static bool is_digits_and(struct text text, const char *octets) {
    for (size_t i = 0; i < text.length; i++)
        if (!is_digit(text.octets[i]) && !is_one_of(text.octets[i], octets))
            return false;
    return true;
}

static bool has_space(struct text pattern) {
    for (size_t i = 0; i < pattern.length; i++)
        if (pattern.octets[i] <= ' ' || pattern.octets[i] == 0x7f)
            return true;
    return has_one_of(pattern, "<>\";");
}

/* Outside of the brackets of an IPv6 address. */
static bool has_colon(struct text pattern) {
    bool inside = false;
    for (size_t i = 0; i < pattern.length; i++) {
        inside = (inside || pattern.octets[i] == '[') && pattern.octets[i] != ']';
        if (pattern.octets[i] == ':' && !inside)
            return true;
    }
    return false;
}

/* A number begins with +, or is nothing but digits and what may stand between them: hyphens and parentheses, since dots are
 * those of an IPv4 address. */
static bool has_separators(struct text pattern, struct text user) {
    if (user.length && user.octets[0] == '+')
        return has_one_of(user, "-.()");
    return has_one_of(pattern, "0123456789") && is_digits_and(pattern, "*-()") && has_one_of(pattern, "-()");
}

/* Addresses come without scheme, port, parameters, separators in numbers, and a dot at the end. */
const char *pattern_wrong(struct text pattern) {
    if (has_space(pattern))
        return "addresses have no spaces, quotes, angle brackets and parameters";
    if (has_colon(pattern))
        return "leave out the scheme and the port, as in codes@bank.example or +12025550100";
    size_t sign = find(pattern, '@');
    struct text user = part(pattern, 0, sign);
    struct text domain = sign < pattern.length ? part(pattern, sign + 1, pattern.length) : pattern;
    if (!user.length || !domain.length || find(domain, '@') < domain.length)
        return "write a whole address, as in codes@bank.example, or the domain alone";
    if (has_separators(pattern, user))
        return "write the number without separators, as in +12025550100";
    return domain.octets[domain.length - 1] == '.' ? "leave out the dot at the end of the domain" : NULL;
}

/* Whether a pattern, in which * stands for any characters, covers the whole text. */
static bool matches(struct text pattern, struct text text) {
    size_t at = 0, read = 0, after = 0, from = 0;
    bool star = false;
    while (read < text.length) {
        if (at < pattern.length && pattern.octets[at] == '*') {
            star = true;
            after = ++at;
            from = read;
        } else if (at < pattern.length && pattern.octets[at] == lower(text.octets[read])) {
            at++;
            read++;
        } else if (star) {
            at = after;
            read = ++from;
        } else {
            return false;
        }
    }
    while (at < pattern.length && pattern.octets[at] == '*')
        at++;
    return at == pattern.length;
}

bool pattern_covers(struct text pattern, struct text address) {
    size_t sign = find(address, '@');
    struct text user = part(address, 0, sign);
    struct text domain = part(address, sign + (sign < address.length), address.length);
    if (find(pattern, '@') < pattern.length)
        return matches(pattern, address);
    /* A number or a short code, of any domain or none. */
    bool is_number = is_digits_and(pattern, "*") || pattern.octets[0] == '+';
    return matches(pattern, is_number ? user : domain);
}
