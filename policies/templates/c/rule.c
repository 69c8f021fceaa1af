/* {{name}}: what a bank sends is discarded when it has expired; with everything else happens what its recipient prefers. */
#include "bindings/policy.h"
#include "json.h"
#include <stdlib.h>
#include <string.h>

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"domain\":{"
    "\"description\":\"What comes from this domain is not kept when it has expired\","
    "\"type\":\"string\",\"maxLength\":255,\"default\":\"bank.example\"}}}";

/* What an instance was configured with. It is the same for all its questions. */
static struct text domain = {(uint8_t *)"bank.example", 12};

static bool is(struct text text, const char *word) {
    return text.length == strlen(word) && memcmp(text.octets, word, text.length) == 0;
}

/* The domains of senders come in lower case. */
static void lower(struct text text) {
    for (size_t i = 0; i < text.length; i++)
        if (text.octets[i] >= 'A' && text.octets[i] <= 'Z')
            text.octets[i] |= 0x20;
}

static void say(restante_policy_host_level_t level, const char *line) {
    policy_string_t text;
    policy_string_set(&text, line);
    restante_policy_host_log(level, &text);
}

void exports_restante_policy_settings_schema(policy_string_t *ret) {
    policy_string_dup(ret, SCHEMA);
}

/* What is put into err is shown to the operator. */
bool exports_restante_policy_settings_configure(policy_string_t *settings, policy_string_t *err) {
    struct json json = {.octets = settings->ptr, .length = settings->len};
    json.wrong = !json_take(&json, '{');
    if (!json_take(&json, '}')) {
        do {
            struct text name = json_text(&json);
            json.wrong |= !json_take(&json, ':');
            if (is(name, "domain")) {
                domain = json_text(&json);
                lower(domain);
            } else {
                json_skip(&json);
            }
            free(name.octets);
        } while (json_take(&json, ','));
        json.wrong |= !json_take(&json, '}');
    }
    policy_string_free(settings);
    if (json.wrong)
        policy_string_dup(err, "the settings must be a JSON object with a text as its domain");
    return !json.wrong;
}

static bool is_from_the_domain(const restante_policy_types_message_t *message) {
    if (!message->sender.is_some)
        return false;
    const policy_string_t *sender = &message->sender.val;
    size_t at = 0;
    while (at < sender->len && sender->ptr[at] != '@')
        at++;
    return at < sender->len && sender->len - at - 1 == domain.length &&
           memcmp(sender->ptr + at + 1, domain.octets, domain.length) == 0;
}

/* What comes with a question is yours to free. */
bool exports_restante_policy_expiry_judge(restante_policy_types_context_t *context,
                                          restante_policy_types_message_t *message,
                                          exports_restante_policy_expiry_verdict_t *ret, policy_string_t *err) {
    (void)err;
    /* The standard behaviour. */
    bool store = context->preferences.expired.is_some &&
                 context->preferences.expired.val == RESTANTE_POLICY_TYPES_DISPOSAL_STORE;
    if (is_from_the_domain(message)) {
        say(RESTANTE_POLICY_HOST_LEVEL_DEBUG, "from the domain: it is not kept");
        store = false;
    }
    ret->tag = store ? EXPORTS_RESTANTE_POLICY_EXPIRY_VERDICT_STORE : EXPORTS_RESTANTE_POLICY_EXPIRY_VERDICT_DISCARD;
    restante_policy_types_context_free(context);
    restante_policy_types_message_free(message);
    return true;
}
