//! What a policy writes for the log, made fit for it: personal data masked, control characters escaped, length cut.

use super::tags;
use crate::queue::question::Question;

/// Longest text, octets.
pub const TEXT_BYTES_MAX: usize = 512;

/// What stands where something personal stood.
const MASK: &str = "[masked]";

/// Shorter values are not looked for: they would mask every second word.
const PERSONAL_BYTES_MIN: usize = 4;

/// The text without what the question tells about people, without any SIP or telephone URI, printable, and short.
pub fn fit_for_log(text: &str, question: Option<&Question>) -> String {
    let mut text = cut(text, TEXT_BYTES_MAX * 2).to_owned();
    if let Some(question) = question {
        for personal in personal(question) {
            if personal.len() >= PERSONAL_BYTES_MIN && text.contains(personal) {
                text = text.replace(personal, MASK);
            }
        }
    }
    printable(&mask_uris(&text))
}

/// The text with control characters escaped, cut to [`TEXT_BYTES_MAX`].
pub fn printable(text: &str) -> String {
    let escaped = text.chars().fold(String::new(), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    });
    if escaped.len() <= TEXT_BYTES_MAX {
        return escaped;
    }
    format!("{}…", cut(&escaped, TEXT_BYTES_MAX))
}

/// The longest values first, so that no part of one is left when another is masked.
fn personal(question: &Question) -> Vec<&str> {
    let (context, message) = (question.context(), question.message());
    let asked = if let Question::Delivery { client, .. } = question { Some(client) } else { None };
    let mut values = vec![context.user.as_str(), context.user.user()];
    values.extend(message.sender.iter().flat_map(|sender| [sender.as_str(), sender.user()]));
    // Some write a number without its sign.
    let numbers = values.iter().filter_map(|value| value.strip_prefix('+')).collect::<Vec<_>>();
    values.extend(numbers);
    values.extend(message.subject.as_deref());
    for client in context.clients.iter().chain(asked) {
        values.push(client.id.0.as_str());
        values.extend(client.tags.iter().filter_map(|tag| personal_value(tag)));
    }
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}

/// The value of a feature tag, if it may be a device's or a person's name.
fn personal_value(tag: &str) -> Option<&str> {
    let (name, value) = tag.split_once('=')?;
    let value = value.trim_matches('"');
    (!tags::is_harmless(name, value)).then_some(value)
}

/// Masks whatever looks like a `sip:`, `sips:` or `tel:` URI.
fn mask_uris(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = next_uri(rest) {
        let end =
            rest[at..].find(|c: char| c.is_whitespace() || "<>\"',;()".contains(c)).map_or(rest.len(), |n| at + n);
        out.push_str(&rest[..at]);
        out.push_str(MASK);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn next_uri(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    ["sip:", "sips:", "tel:"].iter().filter_map(|scheme| lower.find(scheme)).min()
}

/// At most so many octets, ending at a character's end.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::samples;

    #[test]
    fn addresses_names_and_subjects_do_not_reach_the_log() {
        let question = samples::admission();
        let (context, message) = (question.context(), question.message());
        let sender = message.sender.clone().unwrap();
        let said = format!(
            "user {} from {} ({}), subject {:?}, client {}",
            context.user.as_str(),
            sender.as_str(),
            sender.user(),
            message.subject.clone().unwrap(),
            context.clients[0].id.0,
        );
        let logged = fit_for_log(&said, Some(&question));
        assert_eq!(logged, "user [masked] from [masked] ([masked]), subject \"[masked]\", client [masked]");
    }

    #[test]
    fn what_a_device_is_called_does_not_reach_the_log_and_what_it_can_do_does() {
        let mut question = samples::admission();
        if let Question::Admission { context, .. } = &mut question {
            context.clients[0].tags = vec!["+example.name=\"Bob's phone\"".to_owned(), "class=\"business\"".to_owned()];
        }
        let said = "name=\"Bob's phone\" class=\"business\"";
        assert_eq!(fit_for_log(said, Some(&question)), "name=\"[masked]\" class=\"business\"");
    }

    #[test]
    fn any_uri_is_masked_even_if_the_question_does_not_have_it() {
        assert_eq!(fit_for_log("to <SIP:bob@x.test;a=b>, tel:+1202 x", None), "to <[masked];a=b>, [masked] x");
        assert_eq!(fit_for_log("é sips:é", None), "é [masked]");
    }

    #[test]
    fn control_characters_are_escaped_and_long_texts_cut() {
        assert_eq!(fit_for_log("a\r\nb\u{1b}[31m", None), "a\\r\\nb\\u{1b}[31m");
        let long = fit_for_log(&"é".repeat(100_000), None);
        assert!(long.len() <= TEXT_BYTES_MAX + '…'.len_utf8(), "{}", long.len());
        assert!(long.ends_with('…'));
    }
}
