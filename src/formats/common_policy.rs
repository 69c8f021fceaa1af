//! Rules of RFC 4745 with the conditions of OMA XDM (spec chapter 3): read into a [`Ruleset`], evaluated for one sender.

use super::datetime::parse_rfc3339;
use super::preferences::Expired;
use super::xml::{Document, Element, Limits, XmlError};
use crate::types::{Address, Timestamp};
use std::fmt;
use std::sync::Arc;

/// The `service@enabler` that is ours (DEF-6).
pub const SERVICE: &str = "CPM";
/// The element of a `media-list` that is ours (DEF-6).
pub const MEDIA: &str = "deferred-messages";

/// The namespaces these names are known from. Names are matched by local name in *any* namespace (I-08, spec chapter 3),
/// because no source but the seed has `deferred-messages`, `allow-push` and `expired`; write them with the third.
pub const NAMESPACES: [&str; 5] = [
    "urn:ietf:params:xml:ns:common-policy",
    "urn:oma:xml:xdm:extensions",
    "urn:oma:xml:xdm:2.1extensions",
    "urn:oma:xml:xdm:2.2extensions",
    "urn:oma:xml:xdm:common-policy",
];

/// The rules of one user. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Ruleset {
    rules: Arc<[Rule]>,
}

#[derive(Clone, PartialEq, Eq)]
struct Rule {
    /// All must hold; a rule without any always holds (RFC 4745 section 7).
    conditions: Vec<Condition>,
    actions: Actions,
}

#[derive(Clone, PartialEq, Eq)]
enum Condition {
    /// One of them must be the sender.
    Identity(Vec<Who>),
    /// A sender whom no `identity` of another rule names.
    OtherIdentity,
    Anonymous,
    /// From the first of a pair until, and not including, the second; one pair must hold.
    Validity(Vec<(Timestamp, Timestamp)>),
    /// Whether the `service-list` covers [`SERVICE`].
    Service(bool),
    /// Whether the `media-list` covers [`MEDIA`].
    Media(bool),
    /// `sphere`, of which we know nothing, and every condition that we do not know.
    Never,
}

#[derive(Clone, PartialEq, Eq)]
enum Who {
    One(String),
    Many { domain: Option<String>, except: Vec<Except> },
}

#[derive(Clone, PartialEq, Eq)]
enum Except {
    Id(String),
    Domain(String),
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Actions {
    allow_push: bool,
    expired: Option<Expired>,
    offline_storage: Option<bool>,
}

/// What the rules say for one sender at one moment; `None` where they say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ruling {
    pub allow_push: Option<bool>,
    pub expired: Option<Expired>,
    pub offline_storage: Option<bool>,
}

/// Why a body is no ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesetError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is not ruleset")]
    Root,
}

/// Whom a user has rules for is personal data.
impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ruleset({} rules)", self.rules.len())
    }
}

impl Ruleset {
    /// Reads a document. What is unknown in it is not an error: an unknown condition never holds, an unknown action does
    /// nothing.
    ///
    /// # Errors
    /// [`RulesetError`] if it is no ruleset.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Self, RulesetError> {
        let document = Document::read(body, limits)?;
        let root = document.root().filter(|root| root.is("ruleset")).ok_or(RulesetError::Root)?;
        Ok(Self { rules: root.children().filter(|child| child.is("rule")).map(rule).collect() })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules say. Permissions only add up (RFC 4745 section 10): of all rules that hold, one `allow-push` is
    /// enough, and so is one `active` and one `store`.
    ///
    /// DEF-6: `allow_push` is said only if a rule for our service and medium holds (I-36 is the caller's affair).
    pub(super) fn evaluate(&self, sender: Option<&str>, now: Timestamp) -> Ruling {
        let sender = Sender::of(sender);
        let named: Vec<bool> = self.rules.iter().map(|rule| rule.names(&sender)).collect();
        let named_by = named.iter().filter(|named| **named).count();
        let mut ruling = Ruling::default();
        for (rule, names) in self.rules.iter().zip(named) {
            let other = named_by == usize::from(names);
            if !rule.conditions.iter().all(|condition| condition.holds(&sender, other, now)) {
                continue;
            }
            if rule.is_for_deferred_messages() {
                ruling.allow_push = Some(ruling.allow_push == Some(true) || rule.actions.allow_push);
            }
            ruling.expired = ruling.expired.max(rule.actions.expired);
            ruling.offline_storage = ruling.offline_storage.max(rule.actions.offline_storage);
        }
        ruling
    }
}

impl Rule {
    fn names(&self, sender: &Sender) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Identity(who) => who.iter().any(|who| who.is(sender)),
            _ => false,
        })
    }

    /// DEF-6: its conditions have a service list with ours and a media list with ours.
    fn is_for_deferred_messages(&self) -> bool {
        self.conditions.contains(&Condition::Service(true)) && self.conditions.contains(&Condition::Media(true))
    }
}

/// The sender in the forms that conditions compare; nothing if anonymous.
struct Sender {
    address: Option<String>,
}

impl Sender {
    fn of(sender: Option<&str>) -> Self {
        let address = sender.map(canonical).filter(|address| domain_of(address) != Some("anonymous.invalid"));
        Self { address }
    }

    fn domain(&self) -> Option<&str> {
        self.address.as_deref().and_then(domain_of)
    }
}

/// One spelling of an address; what is no CPM Address compares as written.
fn canonical(text: &str) -> String {
    Address::parse(text).map_or_else(|_| text.trim().to_owned(), |address| address.as_str().to_owned())
}

fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

impl Condition {
    fn holds(&self, sender: &Sender, other: bool, now: Timestamp) -> bool {
        match self {
            Self::Identity(who) => who.iter().any(|who| who.is(sender)),
            Self::OtherIdentity => sender.address.is_some() && other,
            Self::Anonymous => sender.address.is_none(),
            Self::Validity(spans) => spans.iter().any(|(from, until)| (*from..*until).contains(&now)),
            Self::Service(covered) | Self::Media(covered) => *covered,
            Self::Never => false,
        }
    }
}

impl Who {
    /// An anonymous sender is nobody, not even one of the many (RFC 4745 section 7.1).
    fn is(&self, sender: &Sender) -> bool {
        let Some(address) = &sender.address else { return false };
        let in_domain = |wanted: &str| sender.domain().is_some_and(|domain| domain.eq_ignore_ascii_case(wanted));
        match self {
            Self::One(id) => id == address,
            Self::Many { domain, except } => {
                let excepted = except.iter().any(|except| match except {
                    Except::Id(id) => id == address,
                    Except::Domain(domain) => in_domain(domain),
                });
                domain.as_deref().is_none_or(in_domain) && !excepted
            }
        }
    }
}

fn rule(element: Element<'_>) -> Rule {
    let inside = |names: &'static [&'static str]| {
        let groups = element.children().filter(move |child| names.contains(&child.name()));
        groups.flat_map(Element::children)
    };
    let mut actions = Actions::default();
    for action in inside(&["actions", "action"]) {
        match action.name() {
            "allow-push" => actions.allow_push |= says_yes(action),
            "expired" => actions.expired = actions.expired.max(expired(action)),
            "allow-offline-storage" => actions.offline_storage = actions.offline_storage.max(offline_storage(action)),
            _ => {}
        }
    }
    Rule { conditions: inside(&["conditions"]).map(condition).collect(), actions }
}

fn condition(element: Element<'_>) -> Condition {
    match element.name() {
        "identity" => Condition::Identity(element.children().filter_map(who).collect()),
        "other-identity" => Condition::OtherIdentity,
        "anonymous-request" => Condition::Anonymous,
        "validity" => Condition::Validity(spans(element)),
        "service-list" => Condition::Service(covers(element, "all-services-except", |service| {
            let enabler = service.attribute("enabler").unwrap_or_default();
            service.is("service") && enabler.trim().eq_ignore_ascii_case(SERVICE)
        })),
        "media-list" => Condition::Media(covers(element, "all-media-except", |medium| medium.is(MEDIA))),
        _ => Condition::Never,
    }
}

fn who(element: Element<'_>) -> Option<Who> {
    let attribute = |element: Element<'_>, name| element.attribute(name).map(|value| value.trim().to_owned());
    match element.name() {
        "one" => attribute(element, "id").map(|id| Who::One(canonical(&id))),
        "many" => {
            let except = element.children().filter(|child| child.is("except")).filter_map(|except| {
                let id = attribute(except, "id").map(|id| Except::Id(canonical(&id)));
                id.or_else(|| attribute(except, "domain").map(Except::Domain))
            });
            Some(Who::Many { domain: attribute(element, "domain"), except: except.collect() })
        }
        _ => None,
    }
}

/// `from` and `until` come in turn (RFC 4745 section 7.3); a pair that cannot be read never holds.
fn spans(element: Element<'_>) -> Vec<(Timestamp, Timestamp)> {
    let mut spans = Vec::new();
    let mut from = None;
    for child in element.children() {
        match child.name() {
            "from" => from = parse_rfc3339(child.text()),
            "until" => spans.extend(from.take().zip(parse_rfc3339(child.text()))),
            _ => {}
        }
    }
    spans
}

/// Whether a list covers ours: it names it, or it takes all but some and ours is not among those.
fn covers(list: Element<'_>, all_except: &str, is_ours: impl Fn(&Element<'_>) -> bool) -> bool {
    list.children().any(|child| {
        if child.is(all_except) { !child.children().any(|child| is_ours(&child)) } else { is_ours(&child) }
    })
}

/// An empty element says yes, as one that says so.
pub(super) fn says_yes(element: Element<'_>) -> bool {
    is_yes(element.text())
}

/// Empty, or a word for yes.
pub(super) fn is_yes(text: &str) -> bool {
    ["", "true", "1", "yes", "on", "active"].iter().any(|yes| text.trim().eq_ignore_ascii_case(yes))
}

/// A word for no.
pub(super) fn says_no(element: Element<'_>) -> bool {
    ["false", "0", "no", "off", "inactive"].iter().any(|no| element.text().eq_ignore_ascii_case(no))
}

/// `<expired>discard</expired>` or `store` (EXP-1); `None` for another word.
pub(super) fn expired(element: Element<'_>) -> Option<Expired> {
    let all = [("discard", Expired::Discard), ("store", Expired::Store)];
    all.into_iter().find(|(name, _)| element.text().eq_ignore_ascii_case(name)).map(|(_, expired)| expired)
}

/// `<allow-offline-storage>active</allow-offline-storage>` or `inactive` (SNDP-6); `None` for another word.
pub(super) fn offline_storage(element: Element<'_>) -> Option<bool> {
    let all = [("active", true), ("inactive", false), ("true", true), ("false", false)];
    all.into_iter().find(|(name, _)| element.text().eq_ignore_ascii_case(name)).map(|(_, active)| active)
}

#[cfg(test)]
#[path = "common_policy_tests.rs"]
mod tests;
