//! What the procedures need to know of the configuration, worked out once at start.

use crate::config::{self, Config, Listen, Transport};
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
    /// System messages carry the tag of the first edition as well (I-05).
    pub legacy_system_tag: bool,
    /// Life asked for a subscription to a registration state.
    pub subscription_secs: u32,
    /// Longest session interval (RFC 4028).
    pub session_secs: u32,
    /// Without it large messages neither come nor go.
    pub large: Option<LargeSettings>,
}

/// Settings of Large Message Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeSettings {
    /// The largest message that is taken, octets.
    pub message_bytes_max: u64,
    /// Whether offers announce the size (SNDL-7d, I-11).
    pub file_selector: bool,
}

/// Settings of one realm.
#[derive(Clone)]
pub struct RealmSettings {
    pub name: String,
    pub next_hop: Option<Uri>,
    pub isf: Option<Uri>,
    pub digest: bool,
    pub users: BTreeMap<String, config::Secret>,
    pub registration_min_secs: u32,
    pub registration_max_secs: u32,
    pub registrations: config::Registrations,
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
            (name.clone(), Arc::new(RealmSettings::new(config, name, realm)))
        });
        Self {
            host: config.host(),
            release: config.sip.release.clone(),
            trusted_peers: config.sip.trusted_peers.clone(),
            realms: realms.collect(),
            listening: listening.to_vec(),
            push_expires: config.queue.push_expires,
            retry_after_secs: config.sip.retry_after_secs,
            legacy_system_tag: config.errands.legacy_system_tag,
            subscription_secs: config.sip.subscription_secs,
            session_secs: config.sip.session_secs,
            large: LargeSettings::new(&config.msrp),
        }
    }

    /// Our own identity towards the network, as in WX-5 and WX-7.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("<sip:cpm-pf@{}>", self.host)
    }

    /// Our own URI where requests of this transport reach us, for Contact.
    #[must_use]
    pub fn contact(&self, transport: Transport) -> String {
        let same = self.listening.iter().find(|listen| listen.transport == transport);
        let listen = same.or(self.listening.first()).copied();
        let (transport, port) = listen.map_or((transport, 5060), |listen| (listen.transport, listen.address.port()));
        let uri = format!("sip:{}:{port}", self.host);
        if transport == Transport::Tcp { uri + ";transport=tcp" } else { uri }
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

impl LargeSettings {
    /// `None` if there is no socket for them.
    fn new(config: &config::Msrp) -> Option<Self> {
        let message_bytes_max = config.message_bytes_max;
        (!config.listen.is_empty()).then_some(Self { message_bytes_max, file_selector: config.file_selector })
    }
}

impl RealmSettings {
    fn new(config: &Config, name: String, realm: &config::Realm) -> Self {
        let uri = |uri: &Option<String>| uri.as_deref().and_then(|uri| Uri::parse(uri).ok());
        Self {
            rules: Rules::new(&config.queue, &config.errands, &name, realm),
            next_hop: uri(&realm.next_hop),
            isf: uri(&realm.isf),
            digest: realm.digest,
            users: realm.users.clone(),
            registration_min_secs: realm.registration_min_secs,
            registration_max_secs: realm.registration_max_secs,
            registrations: realm.registrations,
            name,
        }
    }
}
