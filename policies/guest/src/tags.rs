//! Feature tags of a client (RFC 3840), such as `+g.3gpp.icsi-ref="urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"`.

use crate::Client;

/// Whether the client has this tag. `wanted` is a name alone (`automata`), or a name and one of its values
/// (`+g.3gpp.icsi-ref=urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg`, with or without quotes). Letter case does not matter,
/// and a tag may have several values between commas.
pub fn has(client: &Client, wanted: &str) -> bool {
    client.tags.iter().any(|tag| matches(tag, wanted))
}

/// Whether one tag is the wanted one.
pub fn matches(tag: &str, wanted: &str) -> bool {
    let (name, values) = split(tag);
    match split(wanted) {
        (wanted, None) => name.eq_ignore_ascii_case(wanted),
        (wanted, Some(value)) => {
            let has = |values: &str| values.split(',').any(|found| found.trim_ascii().eq_ignore_ascii_case(value));
            name.eq_ignore_ascii_case(wanted)
                && values.is_some_and(|values| values.eq_ignore_ascii_case(value) || has(values))
        }
    }
}

fn split(tag: &str) -> (&str, Option<&str>) {
    match tag.split_once('=') {
        Some((name, value)) => (name.trim_ascii(), Some(value.trim_ascii().trim_matches('"'))),
        None => (tag.trim_ascii(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_tag_is_found_by_name_or_by_name_and_value() {
        let tag = "+g.3gpp.icsi-ref=\"urn:urn-7:a, urn:urn-7:b\"";
        for wanted in ["+g.3gpp.icsi-ref", "+G.3GPP.ICSI-REF=urn:urn-7:b", "+g.3gpp.icsi-ref=\"urn:urn-7:a\""] {
            assert!(matches(tag, wanted), "{wanted}");
        }
        for wanted in ["", "g.3gpp.icsi-ref", "+g.3gpp.icsi-ref=", "+g.3gpp.icsi-ref=urn:urn-7:c", "urn:urn-7:a"] {
            assert!(!matches(tag, wanted), "{wanted}");
        }
        assert!(matches("automata", "Automata"));
    }
}
