//! What operators write: names, reasons, and which policy they mean.

use super::state::{Catalogue, Kept, Source};
use crate::policy::policies::{NAME_BYTES_MAX, PoliciesError, REASON_BYTES_MAX, Realms, is_hidden};
use crate::types::Digest;
use std::collections::BTreeSet;

/// What the built-in standard policy is called.
pub const STANDARD: &str = "standard";
/// Fewest digits of a digest that name a policy.
const DIGITS_MIN: usize = 8;
/// Digits of a whole digest.
const DIGITS: usize = 64;

/// Whether a reason can be written down.
///
/// # Errors
/// [`PoliciesError::Text`].
pub(super) fn check_reason(reason: &str) -> Result<(), PoliciesError> {
    let wrong = |why| Err(PoliciesError::Text { what: "reason", why });
    if reason.len() > REASON_BYTES_MAX {
        return wrong("it has more than 512 octets: say it shorter");
    }
    if reason.chars().any(is_hidden) {
        return wrong("it has control characters, or such as turn the text around them: say it on one line");
    }
    Ok(())
}

/// Whether a policy can be called so.
///
/// # Errors
/// [`PoliciesError::Text`].
pub fn check_name(name: &str) -> Result<(), PoliciesError> {
    let wrong = |why| Err(PoliciesError::Text { what: "name", why });
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return wrong("it must have 1 to 64 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return wrong("only letters, digits, '-', '_' and '.' may be in it");
    }
    if name == STANDARD {
        return wrong("'standard' is the built-in policy: choose another name");
    }
    if is_digits(name) {
        return wrong("it could be the beginning of a digest: put another character in it");
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    (DIGITS_MIN..=DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The policy that a text names among those that these realms may see: `standard`, a digest or its beginning, or a name
/// that it has there. A name means a policy that may be bound if there is one, else a retired one.
///
/// # Errors
/// [`PoliciesError::NoSuchPolicy`] or [`PoliciesError::Ambiguous`].
pub fn resolve(
    text: &str,
    realms: &Realms,
    state: &Catalogue,
    built_in: &[(Digest, Option<&str>)],
) -> Result<Digest, PoliciesError> {
    match built_in.iter().find(|(_, name)| text == STANDARD && *name == Some(STANDARD)) {
        Some((standard, _)) => Ok(*standard),
        None => one_of(named(text, realms, state, built_in), text),
    }
}

/// The policies that a text other than `standard` names.
fn named(text: &str, realms: &Realms, state: &Catalogue, built_in: &[(Digest, Option<&str>)]) -> BTreeSet<Digest> {
    let seen = |digest: &Digest| state.is_shown(*digest, realms);
    if is_digits(text) {
        let digits = text.to_ascii_lowercase();
        let kept = state.policies.keys().copied().filter(seen);
        let built_in = built_in.iter().map(|(digest, _)| *digest);
        return kept.chain(built_in).filter(|digest| digest.to_string().starts_with(&digits)).collect();
    }
    let called = |(retired, own): (bool, bool)| {
        let so = |source: &Source| source.name.as_deref() == Some(text) && source.is_for(realms) == own;
        let is = |kept: &Kept| kept.retired == retired && kept.uploads_for(realms).any(so);
        let found = state.policies.iter().filter(|(digest, kept)| is(kept) && seen(digest));
        found.map(|(digest, _)| *digest).collect::<BTreeSet<_>>()
    };
    // What others called a policy that they bound here stands back behind the names of own ones.
    let order = [(false, true), (false, false), (true, true), (true, false)];
    order.into_iter().map(called).find(|found| !found.is_empty()).unwrap_or_default()
}

fn one_of(found: BTreeSet<Digest>, text: &str) -> Result<Digest, PoliciesError> {
    match found.first() {
        None => Err(PoliciesError::NoSuchPolicy(shown(text))),
        Some(policy) if found.len() == 1 => Ok(*policy),
        Some(_) => Err(PoliciesError::Ambiguous(shown(text), found.into_iter().collect())),
    }
}

/// A text of a stranger, for an answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).take(DIGITS).collect()
}
