//! A user's XDM preferences as the queue needs them: the documents, where they came from, and what they say (DEF-6,
//! PUSH-1a, EXP-1, SNDP-6; spec chapter 3).

use super::common_policy::{Ruleset, expired, is_yes, offline_storage, says_no, says_yes};
use super::xml::{Document, Element, Limits, XmlError};
use crate::types::Timestamp;

/// The preferences of one user. The default is that of a user without documents. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The access rules (`org.openmobilealliance.access-rules`); `None` if there is no such document.
    pub rules: Option<Ruleset>,
    /// The user preference profile (`…upp-directory`); `None` if there is no such document.
    pub user: Option<UserProfile>,
    pub origin: Origin,
}

/// Where a profile came from; it is recorded with what was decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Documents of the user, as fresh as can be.
    Document,
    /// The server says that there are none: the defaults hold.
    #[default]
    Absent,
    /// Documents read before; the server did not answer this time.
    Stale,
    /// The server did not answer and nothing is known: the realm's defaults hold, and nothing may be discarded yet.
    Unreachable,
}

/// What happens to a message at its expiry (EXP-1). `Store` is the greater: it loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expired {
    Discard,
    Store,
}

/// What the preferences say for one sender at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// DEF-6: whether a rule that holds has `allow-push`; `None` if no rule is about it (I-36: the provider's default).
    pub allow_push: Option<bool>,
    /// EXP-1; `None` if nothing is said (the provider's default).
    pub expired: Option<Expired>,
    /// PUSH-1a, MNG-6a-i.
    pub do_not_disturb: bool,
    /// SNDP-6: history is recorded only if the user asked for it.
    pub offline_storage: bool,
}

/// What the active user preference profile says.
///
/// The schema of the document could not be had; this reading is ours. The *active* profile is the first element that is
/// marked so: by an attribute `active` that says yes, by an attribute `state` or `status` of `active`, or by a child
/// `active` that says yes. Where nothing is marked, the document itself is the profile, unless its root says that it is
/// not active, and then only what stands right inside the root counts. In the active profile, at any depth:
/// `do-not-disturb` or `dnd` that says yes, or `deferred-messages` that says no, means do not disturb; `expired` and
/// `allow-offline-storage` have the meaning and the words they have in rules, and may also stand right inside the root.
/// "Says yes" is an empty element or one of `true`, `1`, `yes`, `on`, `active`; "says no" is one of `false`, `0`, `no`,
/// `off`, `inactive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserProfile {
    pub do_not_disturb: bool,
    pub expired: Option<Expired>,
    pub offline_storage: Option<bool>,
}

impl Profile {
    /// What holds for a message of this sender (`None` if anonymous) at this moment. What the rules say goes before what
    /// the profile document says.
    #[must_use]
    pub fn evaluate(&self, sender: Option<&str>, now: Timestamp) -> Evaluated {
        let ruling = self.rules.as_ref().map(|rules| rules.evaluate(sender, now)).unwrap_or_default();
        let user = self.user.unwrap_or_default();
        Evaluated {
            allow_push: ruling.allow_push,
            expired: ruling.expired.or(user.expired),
            do_not_disturb: user.do_not_disturb,
            offline_storage: ruling.offline_storage.or(user.offline_storage).unwrap_or(false),
        }
    }
}

impl UserProfile {
    /// Reads a profile document; its root may have any name.
    ///
    /// # Errors
    /// [`XmlError`] if it is no XML that we read.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Self, XmlError> {
        let document = Document::read(body, limits)?;
        let root = document.root().ok_or(XmlError::Root)?;
        let top = Self::default().with(root.children());
        let active = std::iter::once(root).chain(root.descendants()).find(|element| marked(*element) == Some(true));
        Ok(match active {
            Some(profile) => {
                let own = Self::default().with(profile.descendants());
                Self {
                    do_not_disturb: own.do_not_disturb,
                    expired: own.expired.or(top.expired),
                    offline_storage: own.offline_storage.or(top.offline_storage),
                }
            }
            None => Self { do_not_disturb: top.do_not_disturb && marked(root).is_none(), ..top },
        })
    }

    /// What these elements say; the first word on each matter counts.
    fn with<'d>(mut self, elements: impl Iterator<Item = Element<'d>>) -> Self {
        for element in elements {
            match element.name() {
                "do-not-disturb" | "dnd" => self.do_not_disturb |= says_yes(element),
                "deferred-messages" => self.do_not_disturb |= says_no(element),
                "expired" => self.expired = self.expired.or(expired(element)),
                "allow-offline-storage" => self.offline_storage = self.offline_storage.or(offline_storage(element)),
                _ => {}
            }
        }
        self
    }
}

/// Whether an element is marked as the active profile, or as not being it.
fn marked(element: Element<'_>) -> Option<bool> {
    let by_state = || element.attribute("state").or_else(|| element.attribute("status"));
    let by_attribute = element.attribute("active").map(is_yes);
    let by_state = || by_state().map(|state| state.trim().eq_ignore_ascii_case("active"));
    by_attribute.or_else(by_state).or_else(|| element.child("active").map(says_yes))
}

#[cfg(test)]
#[path = "preferences_tests.rs"]
mod tests;
