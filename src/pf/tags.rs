//! Feature tags: the service identifiers of CPM and how they look on the wire (spec 1.7).

use crate::sip::NameAddr;

/// ICSI of deferred delivery and management.
pub const CPM_DEFERRED: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred";
/// ICSI of a Pager Mode standalone message.
pub const CPM_MSG: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg";
/// ICSI of a Large Message Mode standalone message.
pub const CPM_LARGEMSG: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg";

/// ICSI of system messages (I-05).
pub const CPM_SYSTEM: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.systemmsg";

/// The media feature tag that carries ICSIs.
const ICSI_REF: &str = "+g.3gpp.icsi-ref";

/// An `Accept-Contact` value that prefers clients with this ICSI: without `require` and `explicit`, because many clients
/// do not register `.deferred` (spec 1.7).
pub(super) fn accept_icsi(icsi: &str) -> String {
    format!("*;{}", icsi_ref(icsi))
}

/// The media feature tag of a service, as a parameter of Contact or Accept-Contact.
pub(super) fn icsi_ref(icsi: &str) -> String {
    format!("{ICSI_REF}=\"{}\"", icsi.replacen(':', "%3A", 2))
}

/// An `Accept-Contact` value that reaches this client and no other (RFC 3840, 3841, 5626).
pub(super) fn accept_instance(instance: &str) -> String {
    format!("*;+sip.instance={};require;explicit", NameAddr::quote(instance))
}

/// The feature tags of a Contact: ICSIs unescaped, other `+` tags by name; bounded.
pub(super) fn of_contact(params: &[(String, Option<String>)]) -> Vec<String> {
    const TAGS_MAX: usize = 32;
    let mut tags = Vec::new();
    for (name, value) in params {
        if name.eq_ignore_ascii_case(ICSI_REF) {
            let list = value.as_deref().unwrap_or_default().trim_matches('"');
            tags.extend(list.split(',').map(|icsi| unescape(icsi.trim())));
        } else if name.starts_with('+') && !name.eq_ignore_ascii_case("+sip.instance") {
            tags.push(name.to_ascii_lowercase());
        }
    }
    tags.retain(|tag| !tag.is_empty());
    tags.truncate(TAGS_MAX);
    tags
}

/// Percent-decoding; a broken escape stays as it is.
fn unescape(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            octets.push(octet);
            rest = after.get(2..).unwrap_or_default();
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escaped_form_is_exactly_what_clients_match() {
        assert_eq!(
            accept_icsi(CPM_DEFERRED),
            "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\""
        );
    }

    #[test]
    fn tags_of_a_contact_are_unescaped_and_split() {
        let params = [
            ("+g.3gpp.icsi-ref".to_owned(), Some("\"urn%3Aurn-7%3Aa, urn%3aurn-7%3ab,%zz,%+f,%\"".to_owned())),
            ("+sip.instance".to_owned(), Some("\"<urn:uuid:1>\"".to_owned())),
            ("+G.oma.x".to_owned(), None),
            ("expires".to_owned(), Some("5".to_owned())),
        ];
        assert_eq!(of_contact(&params), ["urn:urn-7:a", "urn:urn-7:b", "%zz", "%+f", "%", "+g.oma.x"]);
    }
}
