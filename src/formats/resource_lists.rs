//! The URI list of a management INVITE: `application/resource-lists+xml` (RFC 4826) with `cpm_action` (spec 1.4).

use super::xml::{Document, Element, Limits, XmlError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Most entries of one list (spec 4.5).
pub const ENTRIES_MAX: usize = 1000;

const PARAMETER: &str = "cpm_action";

/// What a client wants done with a message it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Deliver,
    Delete,
    Store,
    Interwork,
}

/// What was written beside an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requested {
    /// An action; `Deliver` also if none was written.
    Action(Action),
    /// An action that we do not know: the message is left deferred.
    Unknown,
    /// Entries for the same message, or one entry's parameters, want different things: the message is left deferred.
    Conflicting,
}

/// A message that a client names.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message-URI-ID as `scheme:user@host`, scheme and host in lower case, without parameters and headers.
    pub uri: String,
    pub requested: Requested,
}

/// A message-URI-ID is a bearer name (I-21): only what is requested is shown.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("requested", &self.requested).finish_non_exhaustive()
    }
}

/// Why a body is no list that can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceListsError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is not resource-lists")]
    Root,
    #[error("an entry has no uri")]
    NoUri,
    #[error("the list has more than {0} entries")]
    TooMany(usize),
}

impl Action {
    /// Reads the value of `cpm_action`, in any case (RFC 3261 URI parameters).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            ("deliver", Self::Deliver),
            ("delete", Self::Delete),
            ("store", Self::Store),
            ("interwork", Self::Interwork),
        ];
        all.into_iter().find(|(name, _)| text.trim().eq_ignore_ascii_case(name)).map(|(_, action)| action)
    }
}

/// The entries of all lists, each message once, in the order they are first named; at most `entries_max` entries may be
/// written. References to other documents (`external`, `entry-ref`) are not followed. An empty result means that a list
/// was given and names nothing, which is not the same as no list at all (MNG-6, I-37).
///
/// # Errors
/// [`ResourceListsError`] if the body is no such document, has an entry without URI, or too many entries.
pub fn read(body: &[u8], limits: &Limits, entries_max: usize) -> Result<Vec<Entry>, ResourceListsError> {
    let document = Document::read(body, limits)?;
    let root = document.root().filter(|root| root.is("resource-lists")).ok_or(ResourceListsError::Root)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (count, element) in root.descendants().filter(|element| element.is("entry")).enumerate() {
        if count >= entries_max {
            return Err(ResourceListsError::TooMany(entries_max));
        }
        let written = element.attribute("uri").map(str::trim).filter(|uri| !uri.is_empty());
        let (uri, requested) = entry(element, written.ok_or(ResourceListsError::NoUri)?);
        if let Some(known) = places.get(&uri).and_then(|place| entries.get_mut(*place)) {
            known.requested = known.requested.and(requested);
        } else {
            places.insert(uri.clone(), entries.len());
            entries.push(Entry { uri, requested });
        }
    }
    Ok(entries)
}

impl Requested {
    /// Of two requests for one message.
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Conflicting }
    }

    /// Of all values in one place; `None` if there is none.
    fn of<'v>(values: impl Iterator<Item = Cow<'v, str>>) -> Option<Self> {
        values.map(|value| Action::parse(&value).map_or(Self::Unknown, Self::Action)).reduce(Self::and)
    }
}

/// The bare URI, and the action from the first of the places that has one (spec 1.4: precedence 1, 3, 2): a parameter
/// of the URI; a header of the URI, or an attribute of some namespace; an attribute without one.
fn entry(element: Element<'_>, written: &str) -> (String, Requested) {
    let (rest, headers) = written.split_once('?').unwrap_or((written, ""));
    let (bare, params) = rest.split_once(';').unwrap_or((rest, ""));
    let attributes = |prefixed: bool| {
        let ours = element
            .attributes()
            .filter(move |(name, namespace, _)| *name == PARAMETER && namespace.is_some() == prefixed);
        ours.map(|(.., value)| Cow::Borrowed(value))
    };
    let requested = Requested::of(values(params, ';'))
        .or_else(|| Requested::of(values(headers, '&')))
        .or_else(|| Requested::of(attributes(true)))
        .or_else(|| Requested::of(attributes(false)))
        .unwrap_or(Requested::Action(Action::Deliver));
    (canonical(bare), requested)
}

/// Scheme and host in lower case; the user part counts as written (RFC 3261 section 19.1.4).
fn canonical(bare: &str) -> String {
    let bare = bare.trim();
    match (bare.split_once(':'), bare.rsplit_once('@')) {
        (Some((scheme, _)), Some((before, host))) if before.len() > scheme.len() => {
            let user = before.get(scheme.len()..).unwrap_or_default();
            format!("{}{user}@{}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
        _ => bare.to_owned(),
    }
}

/// Every value of `cpm_action` in `name=value` pairs; escaped characters are unescaped, a name alone has no value.
fn values(pairs: &str, separator: char) -> impl Iterator<Item = Cow<'_, str>> {
    pairs.split(separator).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        unescaped(name.trim()).eq_ignore_ascii_case(PARAMETER).then(|| unescaped(value))
    })
}

/// With `%xx` replaced; what is no such escape stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        let mut value = [0];
        let escape = after.get(..2).filter(|_| octet == b'%');
        if escape.is_some_and(|escape| hex::decode_to_slice(escape, &mut value).is_ok()) {
            octets.extend(value);
            rest = after.get(2..).unwrap_or_default();
        } else {
            octets.push(octet);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WX_6: &str = include_str!("../../tests/fixtures/wx/wx-06-management-invite.sip");

    fn read(body: &str) -> Result<Vec<Entry>, ResourceListsError> {
        super::read(body.as_bytes(), &Limits::default(), ENTRIES_MAX)
    }

    fn listed(entries: &str) -> Vec<(String, Requested)> {
        let body = format!("<resource-lists xmlns='urn:r' xmlns:x='urn:x'><list>{entries}</list></resource-lists>");
        read(&body).unwrap().into_iter().map(|entry| (entry.uri, entry.requested)).collect()
    }

    fn requested(attributes: &str) -> Requested {
        let found = listed(&format!("<entry {attributes}/>"));
        assert_eq!((found.len(), found[0].0.as_str()), (1, "sip:id@h"), "{attributes}");
        found[0].1
    }

    const fn act(action: Action) -> Requested {
        Requested::Action(action)
    }

    #[test]
    fn mng_0_the_list_of_wx_6_is_read() {
        let body = &WX_6[WX_6.find("<?xml").unwrap()..WX_6.find("\r\n--cpm-b-4711--").unwrap()];
        let found: Vec<_> = read(body).unwrap().into_iter().map(|entry| (entry.uri, entry.requested)).collect();
        let uri = |id: &str| format!("sip:{id}@pf.ims.example.net");
        assert_eq!(
            found,
            [
                (uri("9f2c41d07be5"), act(Action::Deliver)),
                (uri("0b77aa10c3d8"), act(Action::Store)),
                (uri("77c0ffee1234"), act(Action::Delete)),
            ]
        );
    }

    #[test]
    fn the_action_is_read_in_all_its_places() {
        assert_eq!(requested("uri='sip:id@h;cpm_action=INTERWORK'"), act(Action::Interwork));
        assert_eq!(requested("uri='sip:id@h?Subject=x&amp;cpm_action=delete'"), act(Action::Delete));
        assert_eq!(requested("uri='sip:id@h' x:cpm_action='store'"), act(Action::Store));
        assert_eq!(requested("uri='sip:id@h' cpm_action='store'"), act(Action::Store));
        assert_eq!(requested("uri='SIP:id@H;transport=tcp;CPM%5Faction=d%65lete'"), act(Action::Delete));
    }

    #[test]
    fn the_places_have_precedence_parameter_header_attribute() {
        let all = "uri='sip:id@h;cpm_action=delete?cpm_action=store' x:cpm_action='interwork' cpm_action='deliver'";
        assert_eq!(requested(all), act(Action::Delete));
        let header = "uri='sip:id@h?cpm_action=store' x:cpm_action='interwork' cpm_action='deliver'";
        assert_eq!(requested(header), act(Action::Store));
        assert_eq!(requested("uri='sip:id@h' x:cpm_action='interwork' cpm_action='deliver'"), act(Action::Interwork));
        assert_eq!(requested("uri='sip:id@h;cpm_action=eat' cpm_action='store'"), Requested::Unknown);
    }

    #[test]
    fn an_absent_action_is_deliver_and_an_unknown_one_is_told() {
        assert_eq!(requested("uri='sip:id@h'"), act(Action::Deliver));
        assert_eq!(requested("uri='sip:id@h;cpm_action=forward'"), Requested::Unknown);
        assert_eq!(requested("uri='sip:id@h;cpm_action'"), Requested::Unknown);
    }

    #[test]
    fn duplicates_that_agree_are_one_and_others_conflict() {
        assert_eq!(requested("uri='sip:id@h;cpm_action=delete;cpm_action=store'"), Requested::Conflicting);
        let two = |one: &str, other: &str| {
            listed(&format!("<entry uri='{one}'/><entry uri='sip:z@h'/><entry uri='{other}'/>"))
        };
        let agree = two("sip:id@h;cpm_action=deliver", "sip:id@H");
        assert_eq!(agree, [("sip:id@h".into(), act(Action::Deliver)), ("sip:z@h".into(), act(Action::Deliver))]);
        assert_eq!(two("sip:id@h", "sip:id@h;cpm_action=delete")[0].1, Requested::Conflicting);
        assert_eq!(two("sip:id@h", "sip:ID@h;cpm_action=delete").len(), 3, "the user part counts as written");
    }

    #[test]
    fn entries_of_nested_lists_count_and_references_do_not() {
        let found = listed(
            "<display-name>x</display-name><list><list><entry uri='sip:a@h'><display-name>A</display-name></entry>\
             </list></list><external anchor='http://h/x'/><entry-ref ref='x'/><x:new><y/></x:new>",
        );
        assert_eq!(found, [("sip:a@h".to_owned(), act(Action::Deliver))]);
        assert_eq!(listed(""), []);
    }

    #[test]
    fn what_cannot_be_acted_on_is_refused() {
        assert_eq!(read("<list/>"), Err(ResourceListsError::Root));
        assert_eq!(read("<resource-lists><entry uri=' '/></resource-lists>"), Err(ResourceListsError::NoUri));
        let many = |n: usize| format!("<resource-lists>{}</resource-lists>", "<entry uri='sip:a@h'/>".repeat(n));
        assert_eq!(read(&many(ENTRIES_MAX)).unwrap().len(), 1);
        assert_eq!(read(&many(ENTRIES_MAX + 1)), Err(ResourceListsError::TooMany(ENTRIES_MAX)));
        let deep = format!("<resource-lists>{}{}</resource-lists>", "<list>".repeat(40), "</list>".repeat(40));
        assert_eq!(read(&deep), Err(ResourceListsError::Xml(XmlError::TooDeep(32))));
    }

    #[test]
    fn i_21_debug_shows_no_name() {
        assert!(
            !format!("{:?}", read("<resource-lists><entry uri='sip:secret@h'/></resource-lists>")).contains("secret")
        );
    }

    proptest! {
        #[test]
        fn any_uri_is_read(uri in "[!-%(-;=-~é]{1,30}") {
            let body = format!("<resource-lists><entry uri='{}'/></resource-lists>", uri.replace('&', "&amp;"));
            prop_assert_eq!(read(&body).unwrap().len(), 1);
        }
    }
}
