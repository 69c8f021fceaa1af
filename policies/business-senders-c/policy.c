/* Business senders, in C: the same policy as policies/business-senders, which is in Rust. A test of the server asks both the
 * same questions. */
#include "bindings/business_senders.h"
#include "json.h"
#include "pattern.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

typedef business_senders_string_t string;
typedef restante_policy_types_context_t context;

static const char SCHEMA[] = {
#include "settings.inc"
};

/* What is chosen for a decision; PREFERENCE is what the recipient prefers. */
enum choice { DISCARD, STORE, PUSH, MANAGE, PREFERENCE };

struct texts {
    struct text *list;
    size_t length;
};

static struct {
    struct texts senders, on_request_tags;
    enum choice expired, others_expired, handling;
} settings = {.expired = DISCARD, .others_expired = PREFERENCE, .handling = PREFERENCE};

/* Texts. */

static bool is(struct text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.octets, word, text.length) == 0;
}

static bool same_but_for_case(struct text one, struct text other) {
    if (one.length != other.length)
        return false;
    for (size_t i = 0; i < one.length; i++)
        if (lower(one.octets[i]) != lower(other.octets[i]))
            return false;
    return true;
}

static bool is_space(uint8_t octet) {
    return octet == ' ' || octet == '\t' || octet == '\n' || octet == '\f' || octet == '\r';
}

static struct text trimmed(struct text text) {
    while (text.length && is_space(text.octets[text.length - 1]))
        text.length--;
    while (text.length && is_space(text.octets[0]))
        text = part(text, 1, text.length);
    return text;
}

static struct text unquoted(struct text text) {
    while (text.length && text.octets[text.length - 1] == '"')
        text.length--;
    while (text.length && text.octets[0] == '"')
        text = part(text, 1, text.length);
    return text;
}

static struct text of(string string) { return (struct text){string.ptr, string.len}; }

/* Settings. */

static void read_texts(struct json *json, struct texts *texts) {
    texts->length = 0;
    if (json_null(json))
        return;
    if (!json_take(json, '[')) {
        json->wrong = true;
        return;
    }
    if (json_take(json, ']'))
        return;
    do {
        texts->list = realloc(texts->list, (texts->length + 1) * sizeof *texts->list);
        texts->list[texts->length++] = json_text(json);
    } while (json_take(json, ','));
    if (!json_take(json, ']'))
        json->wrong = true;
}

/* One of two words, or preference. */
static enum choice read_choice(struct json *json, enum choice one, const char *word, enum choice other,
                               const char *other_word, enum choice else_) {
    if (json_null(json))
        return else_;
    struct text text = json_text(json);
    enum choice choice = PREFERENCE;
    if (is(text, word))
        choice = one;
    else if (is(text, other_word))
        choice = other;
    else if (!is(text, "preference"))
        json->wrong = true;
    free(text.octets);
    return choice;
}

static void read_member(struct json *json) {
    struct text name = json_text(json);
    if (!json_take(json, ':'))
        json->wrong = true;
    if (is(name, "senders"))
        read_texts(json, &settings.senders);
    else if (is(name, "on-request-tags"))
        read_texts(json, &settings.on_request_tags);
    else if (is(name, "expired"))
        settings.expired = read_choice(json, DISCARD, "discard", STORE, "store", DISCARD);
    else if (is(name, "others-expired"))
        settings.others_expired = read_choice(json, DISCARD, "discard", STORE, "store", PREFERENCE);
    else if (is(name, "handling"))
        settings.handling = read_choice(json, PUSH, "push", MANAGE, "manage", PREFERENCE);
    else
        json_skip(json);
    free(name.octets);
}

static void add(struct text *to, const void *octets, size_t length) {
    to->octets = realloc(to->octets, to->length + length);
    memcpy(to->octets + to->length, octets, length);
    to->length += length;
}

static void add_number(struct text *to, size_t number) {
    char digit = (char)('0' + number % 10);
    if (number >= 10)
        add_number(to, number / 10);
    add(to, &digit, 1);
}

/* The number is told, too, because the server masks what looks like somebody's address. */
static void refuse(string *err, size_t number, struct text pattern, const char *why) {
    struct text text = {NULL, 0};
    add(&text, "sender ", 7);
    add_number(&text, number);
    add(&text, ", '", 3);
    add(&text, pattern.octets, pattern.length);
    add(&text, "', can match nobody: ", 21);
    add(&text, why, strlen(why));
    *err = (string){.ptr = text.octets, .len = text.length};
}

static bool take_senders(string *err) {
    for (size_t i = 0; i < settings.senders.length; i++) {
        struct text pattern = settings.senders.list[i];
        const char *why = pattern_wrong(pattern);
        if (why) {
            refuse(err, i + 1, pattern, why);
            return false;
        }
        for (size_t at = 0; at < pattern.length; at++)
            pattern.octets[at] = lower(pattern.octets[at]);
    }
    return true;
}

void exports_restante_policy_settings_schema(string *ret) {
    business_senders_string_dup_n(ret, SCHEMA, sizeof SCHEMA);
}

bool exports_restante_policy_settings_configure(string *text, string *err) {
    struct json json = {.octets = text->ptr, .length = text->len};
    if (!json_take(&json, '{'))
        json.wrong = true;
    else if (!json_take(&json, '}')) {
        do
            read_member(&json);
        while (json_take(&json, ','));
        if (!json_take(&json, '}'))
            json.wrong = true;
    }
    if (json_next(&json) || json.at < json.length)
        json.wrong = true;
    business_senders_string_free(text);
    if (json.wrong)
        business_senders_string_dup(err, "the settings are not what the schema says");
    return !json.wrong && take_senders(err);
}

static bool is_listed(const restante_policy_types_message_t *message) {
    if (!message->sender.is_some)
        return false;
    struct text address = of(message->sender.val);
    size_t colon = find(address, ':');
    if (colon < address.length)
        address = part(address, colon + 1, address.length);
    for (size_t i = 0; i < settings.senders.length; i++)
        if (pattern_covers(settings.senders.list[i], address))
            return true;
    return false;
}

/* Whether a client's tag is the wanted one: a name alone, or a name and one of its values. */
static bool is_tag(struct text tag, struct text wanted) {
    size_t at = find(tag, '='), wanted_at = find(wanted, '=');
    if (!same_but_for_case(trimmed(part(tag, 0, at)), trimmed(part(wanted, 0, wanted_at))))
        return false;
    if (wanted_at == wanted.length)
        return true;
    if (at == tag.length)
        return false;
    struct text values = unquoted(trimmed(part(tag, at + 1, tag.length)));
    struct text value = unquoted(trimmed(part(wanted, wanted_at + 1, wanted.length)));
    if (same_but_for_case(values, value))
        return true;
    for (;;) {
        size_t comma = find(values, ',');
        if (same_but_for_case(trimmed(part(values, 0, comma)), value))
            return true;
        if (comma == values.length)
            return false;
        values = part(values, comma + 1, values.length);
    }
}

static bool is_on_request(const restante_policy_types_client_t *client) {
    for (size_t i = 0; i < settings.on_request_tags.length; i++)
        for (size_t tag = 0; tag < client->tags.len; tag++)
            if (is_tag(of(client->tags.ptr[tag]), settings.on_request_tags.list[i]))
                return true;
    return false;
}

/* The attribute `handling` is `manage`. */
static bool is_managed(const context *context) {
    for (size_t i = 0; i < context->attributes.len; i++)
        if (is(of(context->attributes.ptr[i].f0), "handling"))
            return is(of(context->attributes.ptr[i].f1), "manage");
    return false;
}

/* The decisions. What comes with a question is ours to free. */

bool exports_restante_policy_expiry_judge(context *context, restante_policy_types_message_t *message,
                                          exports_restante_policy_expiry_verdict_t *ret, string *err) {
    (void)err;
    enum choice choice = is_listed(message) ? settings.expired : settings.others_expired;
    if (choice == PREFERENCE) {
        bool store = context->preferences.expired.is_some &&
                     context->preferences.expired.val == RESTANTE_POLICY_TYPES_DISPOSAL_STORE;
        choice = store ? STORE : DISCARD;
    }
    ret->tag = choice == STORE ? EXPORTS_RESTANTE_POLICY_EXPIRY_VERDICT_STORE : EXPORTS_RESTANTE_POLICY_EXPIRY_VERDICT_DISCARD;
    restante_policy_types_context_free(context);
    restante_policy_types_message_free(message);
    return true;
}

bool exports_restante_policy_handling_judge(context *context, restante_policy_types_message_t *message,
                                            exports_restante_policy_handling_verdict_t *ret, string *err) {
    (void)err;
    enum choice choice = is_listed(message) ? settings.handling : PREFERENCE;
    if (choice == PREFERENCE)
        choice = context->preferences.allow_push.is_some && !context->preferences.allow_push.val ? MANAGE : PUSH;
    ret->tag = choice == MANAGE ? EXPORTS_RESTANTE_POLICY_HANDLING_VERDICT_MANAGE : EXPORTS_RESTANTE_POLICY_HANDLING_VERDICT_PUSH;
    restante_policy_types_context_free(context);
    restante_policy_types_message_free(message);
    return true;
}

bool exports_restante_policy_delivery_judge(context *context, restante_policy_types_message_t *message,
                                            restante_policy_types_client_t *client,
                                            exports_restante_policy_delivery_verdict_t *ret, string *err) {
    (void)err;
    bool keep = context->preferences.do_not_disturb || (is_on_request(client) && !is_managed(context));
    ret->tag = keep ? EXPORTS_RESTANTE_POLICY_DELIVERY_VERDICT_KEEP : EXPORTS_RESTANTE_POLICY_DELIVERY_VERDICT_NOW;
    restante_policy_types_context_free(context);
    restante_policy_types_message_free(message);
    restante_policy_types_client_free(client);
    return true;
}
