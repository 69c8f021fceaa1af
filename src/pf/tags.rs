//! Feature tags: the service identifiers of CPM and how they look on the wire (spec 1.7).

use crate::policy;
use crate::sip::{self, NameAddr};

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
/// The one that carries IARIs, escaped as ICSIs are (TS 24.229 section 7.9.3).
const IARI_REF: &str = "+g.3gpp.iari-ref";
/// It says which client it is, not what the client can do (RFC 5626 section 4.1).
const INSTANCE: &str = "+sip.instance";

/// Feature tags of one client that policies are told, and the octets of them all: every registration is stored with them.
const FEATURE_TAGS_MAX: usize = 64;
const FEATURE_TAGS_OCTETS_MAX: usize = 4096;

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

/// The services that a Contact or an Accept-Contact names: ICSIs unescaped, other `+` tags by name; bounded. What policies
/// are told of a client are its [`feature_tags`].
pub(super) fn services(params: &[(String, Option<String>)]) -> Vec<String> {
    const SERVICES_MAX: usize = 32;
    let mut services = Vec::new();
    for (name, value) in params {
        if name.eq_ignore_ascii_case(ICSI_REF) {
            services.extend(values(value.as_deref()).map(unescape));
        } else if name.starts_with('+') && !name.eq_ignore_ascii_case(INSTANCE) {
            services.push(name.to_ascii_lowercase());
        }
    }
    services.retain(|service| !service.is_empty());
    services.truncate(SERVICES_MAX);
    services
}

/// The feature tags of a Contact as the contract of the policies has them (`wit/policy.wit`, `client.tags`): the name in
/// lower case alone, or `name="value"`, once for each value of a list (RFC 3840 section 9). `TRUE` is what the name alone
/// says; what is `FALSE` the client does not have. ICSIs and IARIs are unescaped. What does not fit is left out.
pub(super) fn feature_tags(params: &[(String, Option<String>)]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let mut octets = 0;
    for (name, value) in params.iter().filter(|(name, _)| is_feature(name)) {
        let name = name.to_ascii_lowercase();
        let escaped = [ICSI_REF, IARI_REF].contains(&name.as_str());
        for value in values(value.as_deref()) {
            let Some(tag) = feature_tag(&name, &if escaped { unescape(value) } else { value.to_owned() }) else {
                continue;
            };
            if tags.len() < FEATURE_TAGS_MAX && octets + tag.len() <= FEATURE_TAGS_OCTETS_MAX {
                octets += tag.len();
                tags.push(tag);
            }
        }
    }
    tags
}

/// Whether a parameter of a Contact is a feature tag: the others are about the binding (`expires`, `q`, `reg-id`).
fn is_feature(name: &str) -> bool {
    let is_named = name.starts_with('+') && !name.eq_ignore_ascii_case(INSTANCE);
    is_named || policy::tags::is_base(name)
}

/// `None` for a value that says no, or that no quotes could hold.
fn feature_tag(name: &str, value: &str) -> Option<String> {
    if value.is_empty() || value.eq_ignore_ascii_case("TRUE") {
        return Some(name.to_owned());
    }
    let fits = !value.contains(|c: char| c == '"' || c == '\\' || c.is_control());
    (fits && !value.eq_ignore_ascii_case("FALSE")).then(|| format!("{name}=\"{value}\""))
}

/// The values between the commas of a feature tag, the one empty value if it has none.
fn values(written: Option<&str>) -> impl Iterator<Item = &str> {
    let list = written.unwrap_or_default();
    let list = list.strip_prefix('"').and_then(|list| list.strip_suffix('"')).unwrap_or(list);
    let none = sip::split_list(list).next().is_none().then_some("");
    sip::split_list(list).chain(none)
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

    fn params(of: &str) -> Vec<(String, Option<String>)> {
        NameAddr::parse(&format!("<sip:bob@192.0.2.1>;{of}")).unwrap().params
    }

    #[test]
    fn services_of_a_contact_are_unescaped_and_split() {
        let params = params(
            "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3Aa, urn%3aurn-7%3ab,%zz,%+f,%\";+sip.instance=\"<urn:uuid:1>\";\
             +G.oma.x;expires=5",
        );
        assert_eq!(services(&params), ["urn:urn-7:a", "urn:urn-7:b", "%zz", "%+f", "%", "+g.oma.x"]);
        assert!(services(&[(ICSI_REF.to_owned(), None)]).is_empty());
    }

    #[test]
    fn feature_tags_look_as_the_contract_of_the_policies_says() {
        let params = params(
            "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3Aa, urn%3aurn-7%3ab\";+sip.instance=\"<urn:uuid:1>\";expires=5;q=0.5;\
             +Example.Device=\"Tablet\";+g.3gpp.iari-ref=\"urn%3Aurn-7%3Ac\";+g.oma.sip-im;Automata;audio=\"TRUE\";\
             video=\"FALSE\";methods=\"INVITE,MESSAGE\";class=business;description=\"<a, b>\";+example.percent=\"50%25\";\
             reg-id=1;pub-gruu=\"sip:x\"",
        );
        assert_eq!(
            feature_tags(&params),
            [
                "+g.3gpp.icsi-ref=\"urn:urn-7:a\"",
                "+g.3gpp.icsi-ref=\"urn:urn-7:b\"",
                "+example.device=\"Tablet\"",
                "+g.3gpp.iari-ref=\"urn:urn-7:c\"",
                "+g.oma.sip-im",
                "automata",
                "audio",
                "methods=\"INVITE\"",
                "methods=\"MESSAGE\"",
                "class=\"business\"",
                "description=\"<a, b>\"",
                "+example.percent=\"50%25\"",
            ]
        );
    }

    #[test]
    fn a_value_that_would_break_out_of_its_quotes_is_left_out() {
        for value in ["a%22b", "a%0D%0Ab", "a%00", "a%5C"] {
            assert!(feature_tags(&params(&format!("{ICSI_REF}=\"{value}\""))).is_empty(), "{value}");
        }
        assert!(feature_tags(&params("+example=\"a\\\"b\"")).is_empty());
    }

    #[test]
    fn feature_tags_are_bounded_in_number_and_octets() {
        let many: Vec<_> = (0..1000).map(|number| (format!("+x.{number}"), None)).collect();
        assert_eq!(feature_tags(&many).len(), FEATURE_TAGS_MAX);
        let long = |name: &str| (name.to_owned(), Some("v".repeat(3000)));
        let some = feature_tags(&[long("+one"), long("+two"), ("automata".to_owned(), None)]);
        assert_eq!(some.len(), 2, "what still fits is there");
        assert!(some.iter().map(String::len).sum::<usize>() <= FEATURE_TAGS_OCTETS_MAX && some[1] == "automata");
    }
}
