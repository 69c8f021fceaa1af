//! What the procedures need to know of the configuration, worked out once at start.

use crate::config::{self, Config, Listen};
use crate::queue::decide::Rules;
use crate::sip::Uri;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Settings of the whole function. Immutable; shared in an `Arc`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our host name, in message-URI-IDs, Call-IDs and the Server identity.
    pub host: String,
    /// `User-Agent` and `Server` (spec 1.6).
    pub release: String,
    pub trusted_peers: Vec<IpNet>,
    /// By domain in lower case.
    pub realms: BTreeMap<String, Arc<RealmSettings>>,
    /// Where our sockets are: to know our own Route entry.
    pub listening: Vec<Listen>,
    pub push_expires: bool,
    pub retry_after_secs: u32,
}

/// Settings of one realm.
#[derive(Clone)]
pub struct RealmSettings {
    pub name: String,
    pub next_hop: Option<Uri>,
    pub digest: bool,
    pub users: BTreeMap<String, config::Secret>,
    pub registration_min_secs: u32,
    pub registration_max_secs: u32,
    pub rules: Rules,
}

/// User names are personal data.
impl fmt::Debug for RealmSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.users.len();
        f.debug_struct("RealmSettings").field("name", &self.name).field("users", &users).finish_non_exhaustive()
    }
}

impl Settings {
    /// From a checked configuration; `listening` are the sockets as bound.
    #[must_use]
    pub fn new(config: &Config, listening: &[Listen]) -> Self {
        let realms = config.realms.iter().map(|(name, realm)| {
            let name = name.to_ascii_lowercase();
            (name.clone(), Arc::new(RealmSettings::new(&config.queue, name, realm)))
        });
        Self {
            host: config.host(),
            release: config.sip.release.clone(),
            trusted_peers: config.sip.trusted_peers.clone(),
            realms: realms.collect(),
            listening: listening.to_vec(),
            push_expires: config.queue.push_expires,
            retry_after_secs: config.sip.retry_after_secs,
        }
    }

    /// The realm of this domain.
    #[must_use]
    pub fn realm(&self, host: &str) -> Option<&Arc<RealmSettings>> {
        self.realms.get(&host.to_ascii_lowercase())
    }

    /// The realm of an address; a `tel:` address belongs to the first one.
    #[must_use]
    pub fn home(&self) -> Option<&Arc<RealmSettings>> {
        self.realms.values().next()
    }
}

impl RealmSettings {
    fn new(queue: &config::Queue, name: String, realm: &config::Realm) -> Self {
        Self {
            rules: Rules::new(queue, &name, realm),
            next_hop: realm.next_hop.as_deref().and_then(|uri| Uri::parse(uri).ok()),
            digest: realm.digest,
            users: realm.users.clone(),
            registration_min_secs: realm.registration_min_secs,
            registration_max_secs: realm.registration_max_secs,
            name,
        }
    }
}
