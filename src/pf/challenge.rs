//! The gate: digest authentication of clients outside the trust domain (RFC 3261 section 22, RFC 8760).

use super::{RealmSettings, Settings, reply};
use crate::sip::{Challenger, NonceCounts, NonceUse, Request, Response, Verdict};
use crate::types::{SeedSecret, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_mins(5);

/// Challenges and checks answers; shared by all threads.
pub struct Gate {
    challenger: Challenger,
    counts: Mutex<NonceCounts>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// The secret of the data directory keys the nonces, so that they survive a restart; at most `clients_max` clients
    /// are remembered against replays (`sip.digest-clients-max`).
    #[must_use]
    pub fn new(secret: SeedSecret, clients_max: usize) -> Self {
        let key = Sha256::new().chain_update(b"digest nonces").chain_update(secret.0).finalize().into();
        Self { challenger: Challenger::new(key, NONCE_LIFE), counts: Mutex::new(NonceCounts::new(clients_max)) }
    }

    /// The authenticated user name.
    ///
    /// # Errors
    /// 401 with a challenge, or 400 if the credentials cannot be read.
    pub(super) fn authenticate(
        &self,
        settings: &Settings,
        request: &Request,
        realm: &RealmSettings,
        now: Timestamp,
    ) -> Result<String, Response> {
        let lookup = |user: &str| realm.users.get(user).map(|secret| secret.0.as_str());
        match self.challenger.verify(request, &realm.name, lookup, now) {
            Verdict::Ok { user, nonce } if self.is_new(&nonce, now) => Ok(user),
            // A nonce used before is as good as none: an honest client comes again with a new one.
            Verdict::Ok { .. } | Verdict::Stale => Err(self.challenge(settings, request, realm, now, true)),
            Verdict::Missing | Verdict::Wrong => Err(self.challenge(settings, request, realm, now, false)),
            Verdict::Malformed => Err(reply::because(settings, request, 400, "Malformed Credentials")),
        }
    }

    fn is_new(&self, nonce: &NonceUse, now: Timestamp) -> bool {
        // A panic while it was held cannot have left the counts half-changed.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).admit(nonce, now)
    }

    fn challenge(
        &self,
        settings: &Settings,
        request: &Request,
        realm: &RealmSettings,
        now: Timestamp,
        stale: bool,
    ) -> Response {
        let mut response = reply::plain(settings, request, 401);
        for challenge in self.challenger.challenge(&realm.name, now, stale) {
            response.headers.push("WWW-Authenticate", challenge);
        }
        response
    }
}
