//! What operators write: names, reasons, and which policy they mean.

use super::state::Catalogue;
use super::workshop::Workshop;
use crate::policy::policies::{NAME_BYTES_MAX, PoliciesError, REASON_BYTES_MAX};
use crate::types::Digest;
use std::collections::BTreeSet;

/// What the built-in standard policy is called.
pub(super) const STANDARD: &str = "standard";
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
    if reason.chars().any(char::is_control) {
        return wrong("it has control characters: say it on one line");
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

/// The policy that a text names: `standard`, a digest or its beginning, or a name. A name means a policy that may be
/// bound if there is one, else a retired one.
///
/// # Errors
/// [`PoliciesError::NoSuchPolicy`] or [`PoliciesError::Ambiguous`].
pub(super) fn resolve(text: &str, state: &Catalogue, workshop: &Workshop) -> Result<Digest, PoliciesError> {
    let mut standard = workshop.all_built_in().filter(|(_, own)| own.name == Some(STANDARD));
    if text == STANDARD
        && let Some((standard, _)) = standard.next()
    {
        return Ok(standard);
    }
    let found: BTreeSet<Digest> = if is_digits(text) {
        let digits = text.to_ascii_lowercase();
        let all = state.policies.keys().copied().chain(workshop.all_built_in().map(|(digest, _)| digest));
        all.filter(|digest| digest.to_string().starts_with(&digits)).collect()
    } else {
        let called = |retired: bool| {
            let named = state.policies.iter().filter(move |(_, kept)| kept.name.as_deref() == Some(text));
            named.filter(move |(_, kept)| kept.retired == retired).map(|(digest, _)| *digest).collect::<BTreeSet<_>>()
        };
        let found = called(false);
        if found.is_empty() { called(true) } else { found }
    };
    match found.first() {
        None => Err(PoliciesError::NoSuchPolicy(shown(text))),
        Some(policy) if found.len() == 1 => Ok(*policy),
        Some(_) => Err(PoliciesError::Ambiguous(shown(text), found.into_iter().collect())),
    }
}

/// A text of a stranger, for an answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(DIGITS).collect()
}
