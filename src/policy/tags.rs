//! Feature tags of clients (RFC 3840), as policies are told them: which are written without `+`, which say nothing of
//! whose a client is.

/// Longest value that can be harmless, octets.
const VALUE_OCTETS_MAX: usize = 128;
/// Digits in a row, and in a word of RFC 3840: more may be a telephone number or a device's.
const DIGITS_MAX: usize = 6;
/// The one tag of RFC 3840 whose value is what its user likes.
const FREE_TEXT: &str = "description";

/// The feature tags that are written without `+` (RFC 3840 section 9).
const BASE: [&str; 20] = [
    "audio",
    "automata",
    "class",
    "duplex",
    "data",
    "control",
    "mobility",
    "description",
    "events",
    "priority",
    "methods",
    "schemes",
    "application",
    "video",
    "language",
    "type",
    "isfocus",
    "actor",
    "text",
    "extensions",
];

/// The trees of names that standards give out, and nobody for one device.
const TREES: [&str; 4] = ["+g.3gpp.", "+g.oma.", "+g.gsma.", "+sip."];

/// Values of services and applications; those of devices (`urn:gsma:imei:…`) are in the same name space.
const SERVICES: [&str; 2] = ["urn:urn-7:", "urn:gsma:"];
const DEVICES: &str = "urn:gsma:imei";

/// Whether a feature tag of this name is written without `+`.
pub fn is_base(name: &str) -> bool {
    BASE.iter().any(|base| name.eq_ignore_ascii_case(base))
}

/// Whether standards know a feature tag of this name.
pub fn is_known(name: &str) -> bool {
    is_base(name) || is_token(name) && TREES.iter().any(|tree| begins(name, tree))
}

/// Whether a value says what a client can do, and nothing of whose it is: a service, or a word of RFC 3840.
pub fn is_harmless(name: &str, value: &str) -> bool {
    let is_word = is_token(value) && value.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX;
    is_service(value) || is_base(name) && !name.eq_ignore_ascii_case(FREE_TEXT) && is_word
}

/// Whether this is the name of a service or an application, such as an ICSI.
pub fn is_service(value: &str) -> bool {
    let Some(space) = SERVICES.iter().find(|space| begins(value, space)) else { return false };
    !begins(value, DEVICES) && value.get(space.len()..).is_some_and(is_token)
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

/// A short word without a number in it.
fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_' | b':');
    let is_number = |run: &str| run.len() > DIGITS_MAX;
    let is_short = !text.is_empty() && text.len() <= VALUE_OCTETS_MAX;
    is_short && text.bytes().all(fits) && !text.split(|c: char| !c.is_ascii_digit()).any(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_standards_name_is_known() {
        for name in ["audio", "Automata", "+g.3gpp.icsi-ref", "+G.oma.sip-im", "+g.gsma.rcs.botversion", "+sip.byeless"]
        {
            assert!(is_known(name), "{name}");
        }
        for name in
            ["", "+", "+g.", "bob", "+example.device", "+g.3gpp.bob@elsewhere.test", "+g.oma.12025550123", "expires"]
        {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn values_of_services_and_words_of_the_rfc_are_harmless_and_no_others() {
        let icsi = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg";
        for (name, value) in
            [("+g.3gpp.icsi-ref", icsi), ("class", "business"), ("methods", "MESSAGE"), ("language", "en-GB")]
        {
            assert!(is_harmless(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("+g.3gpp.icsi-ref", "Bob Smith's phone"),
            ("+g.3gpp.icsi-ref", "urn:urn-7:bob@elsewhere.test"),
            ("+g.3gpp.icsi-ref", "urn:urn-7:"),
            ("+g.gsma.device", "urn:gsma:imei:35349006-987300-0"),
            ("+example.device", "tablet"),
            ("+g.3gpp.address", "10.0.0.7"),
            ("class", "35349006987300"),
            ("class", ""),
            ("class", "202-555-0100"),
            ("description", "<Bob's phone>"),
            ("Description", "Bob"),
        ] {
            assert!(!is_harmless(name, value), "{name}={value}");
        }
    }
}
