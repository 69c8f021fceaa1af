//! Whose signature on a component is believed: Ed25519 (RFC 8032) by the keys of the configuration, each for its time and
//! its realms.

use super::event::SignedBy;
use crate::config::PolicyKey;
use crate::policy::policies::{Signature, SignatureError};
use crate::types::{Octets, Timestamp};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// The keys of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: String,
    public: [u8; 32],
    not_before: Timestamp,
    not_after: Timestamp,
    /// `None`: all.
    realms: Option<Vec<String>>,
}

impl Keys {
    /// Those of the configuration, which has been validated: a key that cannot be read is none.
    pub fn of(keys: &[PolicyKey]) -> Self {
        let moment = |text: &Option<String>, unset: Timestamp| match text {
            None => Some(unset),
            Some(text) => PolicyKey::moment(text).map(at),
        };
        let key = |key: &PolicyKey| {
            Some(Key {
                id: key.id.clone(),
                public: key.octets()?,
                not_before: moment(&key.not_before, Timestamp(0))?,
                not_after: moment(&key.not_after, Timestamp::MAX)?,
                realms: key.realms.clone(),
            })
        };
        Self(keys.iter().filter_map(key).collect())
    }

    /// Whether there is a key of this name.
    pub fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Checks a signature; with a realm, as somebody there must.
    ///
    /// # Errors
    /// [`SignatureError`]
    pub fn check(
        &self,
        signature: &Signature,
        component: &[u8],
        realm: Option<&str>,
        now: Timestamp,
    ) -> Result<SignedBy, SignatureError> {
        let Signature { key: id, octets } = signature;
        let key = self.0.iter().find(|key| key.id == *id).ok_or_else(|| SignatureError::NoSuchKey(id.clone()))?;
        let for_realm = |realm: &str| key.realms.as_ref().is_none_or(|realms| realms.iter().any(|own| own == realm));
        if !realm.is_none_or(for_realm) {
            return Err(SignatureError::OtherRealm(id.clone()));
        }
        if now < key.not_before {
            return Err(SignatureError::NotYet(id.clone()));
        }
        if now >= key.not_after {
            return Err(SignatureError::Expired(id.clone()));
        }
        if octets.len() != SIGNATURE {
            return Err(SignatureError::Form);
        }
        let verified = UnparsedPublicKey::new(&ED25519, &key.public).verify(component, octets);
        verified.map_err(|_| SignatureError::Wrong(id.clone()))?;
        Ok(SignedBy { key: id.clone(), octets: Octets(octets.clone()) })
    }

    /// Whether one of the signatures that are kept with a component is good now, in this realm.
    ///
    /// # Errors
    /// What is wrong with the latest of them; `None` if there are none.
    pub fn believe(
        &self,
        signatures: &[SignedBy],
        component: &[u8],
        realm: &str,
        now: Timestamp,
    ) -> Result<(), Option<SignatureError>> {
        let mut wrong = None;
        for SignedBy { key, octets } in signatures {
            let signature = Signature { key: key.clone(), octets: octets.0.clone() };
            match self.check(&signature, component, Some(realm), now) {
                Ok(_) => return Ok(()),
                Err(error) => wrong = Some(error),
            }
        }
        Err(wrong)
    }
}

fn at(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
