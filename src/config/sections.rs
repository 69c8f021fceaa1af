//! The sections of the configuration, each with its defaults: the one place for every limit and interval.

use super::admin::Admin;
use super::errands::{Errands, Expired, Handling};
use super::msrp::Msrp;
use super::notifier::{Notifier, NotifierKind, Smpp, Webhook};
use super::policy::Policy;
use super::preferences::Preferences;
use super::store::Store;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Everything an operator sets. The default is what the server does when it is given nothing: the loopback interface
/// and the demo realm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    pub sip: Sip,
    pub msrp: Msrp,
    /// The domains served, by name in lower case. A file that names none has none: the demo realm is not for those who
    /// have a file.
    #[serde(default = "BTreeMap::new")]
    pub realms: BTreeMap<String, Realm>,
    pub queue: Queue,
    pub errands: Errands,
    pub journal: Journal,
    pub policy: Policy,
    pub preferences: Preferences,
    pub actors: Actors,
    pub store: Store,
    pub notifier: Notifier,
    pub webhook: Webhook,
    pub smpp: Smpp,
    pub admin: Admin,
    pub log: Log,
}

/// `[sip]`: sockets, transactions, trust.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sip {
    /// `udp:HOST:PORT` or `tcp:HOST:PORT`, any number.
    pub listen: Vec<Listen>,
    /// The host name of this function: in message-URI-IDs, Call-IDs, Via and the server identity.
    /// [`Config::host`] says what stands in.
    pub host: Option<String>,
    /// Peers whose identity headers are believed and who are never challenged: addresses or networks.
    #[serde(deserialize_with = "peers")]
    pub trusted_peers: Vec<IpNet>,
    /// Appended to `User-Agent` and `Server` (spec 1.6).
    pub release: String,
    /// Longest header block of a message, octets.
    pub header_bytes_max: usize,
    /// Most header lines of a message.
    pub header_lines_max: usize,
    /// Longest body of a message, octets; more is answered 413.
    pub body_bytes_max: usize,
    /// Most server transactions held; beyond it new requests get 503 with Retry-After.
    pub server_transactions_max: usize,
    /// Most client transactions held; beyond it deliveries wait.
    pub client_transactions_max: usize,
    /// Most dialogs held, calls that may become one included; beyond it an INVITE gets 503 with Retry-After.
    pub dialogs_max: usize,
    /// Longest session agreed to before it must be refreshed (RFC 4028), seconds.
    pub session_secs: u32,
    /// Most TCP connections.
    pub connections_max: usize,
    /// A TCP connection on which nothing arrives for so long is closed, seconds.
    pub connection_idle_secs: u64,
    /// Octets waiting to be written on one TCP connection before it is given up.
    pub connection_backlog_max: usize,
    /// Requests longer than this go over TCP where the peer takes it (RFC 3261 section 18.1.1), octets.
    pub udp_request_bytes_max: usize,
    /// `Retry-After` of a 503, seconds.
    pub retry_after_secs: u32,
    /// Most clients whose digest nonce counts are remembered against replays; one more is challenged again.
    pub digest_clients_max: usize,
    /// Most subscriptions to registration states; users beyond it are served by third-party REGISTER alone.
    pub subscriptions_max: usize,
    /// Life asked for such a subscription, seconds.
    pub subscription_secs: u32,
}

/// `[realms."DOMAIN"]`: one operator's SIP domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Realm {
    /// Where pushes go; without it, where the registration came from.
    pub next_hop: Option<String>,
    /// Challenge untrusted clients (RFC 3261 section 22, RFC 8760).
    pub digest: bool,
    /// Passwords by user name, for digest authentication.
    pub users: BTreeMap<String, Secret>,
    /// How its users are notified out-of-band, if not as `notifier.kind` says.
    pub notifier: Option<NotifierKind>,
    /// Provider's maximum expiry (DEF-5a-ii), seconds: 1 to 2 592 000.
    pub expiry_max_secs: u64,
    /// Shortest and longest registration granted to a client, seconds.
    pub registration_min_secs: u32,
    pub registration_max_secs: u32,
    /// `preferences.xcap-root` of this realm; empty: its documents are kept here.
    pub xcap_root: Option<String>,
    pub registrations: Registrations,
    /// What stands in where a user's preferences say nothing.
    pub handling: Option<Handling>,
    pub expired: Option<Expired>,
    /// Ask the policy for a notification of messages that wait to be pushed, too (PUSH-N1).
    pub notify_when_pushing: bool,
    /// Only components that are signed with one of `policy.keys` may be bound in this realm.
    pub signed_policies: bool,
    /// The Interworking Selection Function (MNG-4); without it, `interwork` is refused and the message kept.
    pub isf: Option<String>,
}

/// Who tells which clients of a realm are registered, behind an S-CSCF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registrations {
    /// The third-party REGISTER, with the client's own in its body.
    #[default]
    ThirdParty,
    /// The reg event of the S-CSCF (RFC 3680), subscribed to when a third-party REGISTER does not tell.
    RegEvent,
}

/// A password; never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `[queue]`: what one user may have, and the pace of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Queue {
    /// Most messages per user; more is 480 with Retry-After.
    pub messages_max: u64,
    /// Most octets of bodies per user; more is 480 with Retry-After.
    pub bytes_max: u64,
    /// `Retry-After` of that 480, seconds.
    pub retry_after_secs: u32,
    /// Most registered clients per user; more is 403.
    pub clients_max: usize,
    /// Deliveries in flight per user; 1 keeps strict order.
    pub in_flight_max: usize,
    /// First pause after a failed delivery while the client stays registered, seconds; it doubles …
    pub backoff_min_secs: u64,
    /// … up to this, seconds.
    pub backoff_max_secs: u64,
    /// Say the remaining life in `Expires` of a pushed MESSAGE (I-27).
    pub push_expires: bool,
    /// Policy questions asked for one command; what is left is asked by the next.
    pub questions_max: usize,
}

/// `[journal]`: the data directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Journal {
    pub directory: PathBuf,
    /// Appends that may wait for the committer; beyond it 503.
    pub appends_waiting_max: usize,
    /// Appends in one group commit.
    pub batch_max: usize,
    /// RocksDB's shared block cache, octets.
    pub cache_bytes: usize,
    /// All memtables together, octets.
    pub write_buffer_bytes: usize,
    /// Below so many free octets no message is taken.
    pub disk_free_min: u64,
    /// A snapshot is written after so many records.
    pub snapshot_every: u64,
}

/// `[actors]`: who is awake.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Actors {
    /// Threads that run user actors; 0 means one per core.
    pub threads: usize,
    /// Most users awake; beyond it 503 until someone sleeps.
    pub awake_max: usize,
    /// Commands that may wait for one user; beyond it 503.
    pub mailbox_max: usize,
    /// Users being woken at the same time.
    pub wake_permits: usize,
    /// Pushes younger than T1 and without an answer at the same time; others wait their turn.
    pub pushes_max: usize,
    /// A user with nothing in flight is put to sleep after so long, seconds.
    pub idle_secs: u64,
    /// Due users handed over by the scheduler at a time.
    pub due_batch_max: usize,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// A `tracing` filter: `info`, `restante=debug`, …
    pub filter: String,
    /// One JSON object per line instead of text.
    pub json: bool,
}

/// One listening socket, written `udp:HOST:PORT` or `tcp:HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// A SIP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sip: Sip::default(),
            msrp: Msrp::default(),
            realms: super::demo::realms(),
            queue: Queue::default(),
            errands: Errands::default(),
            journal: Journal::default(),
            policy: Policy::default(),
            preferences: Preferences::default(),
            actors: Actors::default(),
            store: Store::default(),
            notifier: Notifier::default(),
            webhook: Webhook::default(),
            smpp: Smpp::default(),
            admin: Admin::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// The name of this function on the wire: `sip.host`, else the first listening address that says something, else
    /// the first realm.
    #[must_use]
    pub fn host(&self) -> String {
        let address = || self.sip.listen.iter().map(|listen| listen.address.ip()).find(|ip| !ip.is_unspecified());
        match (&self.sip.host, address()) {
            (Some(host), _) => host.clone(),
            (None, Some(IpAddr::V6(ip))) => format!("[{ip}]"),
            (None, Some(IpAddr::V4(ip))) => ip.to_string(),
            (None, None) => self.realms.keys().next().cloned().unwrap_or_default(),
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 5060));
        Self {
            listen: [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, address: loopback }).into(),
            host: None,
            trusted_peers: Vec::new(),
            release: "CPM-serv/OMA1.0".to_owned(),
            header_bytes_max: 32 << 10,
            header_lines_max: 256,
            body_bytes_max: 64 << 10,
            server_transactions_max: 400_000,
            client_transactions_max: 100_000,
            dialogs_max: 10_000,
            session_secs: 1800,
            connections_max: 10_000,
            connection_idle_secs: 600,
            connection_backlog_max: 1 << 20,
            udp_request_bytes_max: 1300,
            retry_after_secs: 5,
            digest_clients_max: 100_000,
            subscriptions_max: 100_000,
            subscription_secs: 3600,
        }
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self {
            next_hop: None,
            digest: true,
            notifier: None,
            users: BTreeMap::new(),
            expiry_max_secs: 604_800,
            registration_min_secs: 60,
            registration_max_secs: 86_400,
            handling: None,
            expired: None,
            notify_when_pushing: false,
            isf: None,
            registrations: Registrations::default(),
            xcap_root: None,
            signed_policies: false,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            messages_max: 1000,
            bytes_max: 100 << 20,
            retry_after_secs: 300,
            clients_max: 16,
            in_flight_max: 1,
            backoff_min_secs: 30,
            backoff_max_secs: 3600,
            push_expires: true,
            questions_max: 64,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("./data"),
            appends_waiting_max: 65_536,
            batch_max: 1024,
            cache_bytes: 256 << 20,
            write_buffer_bytes: 256 << 20,
            disk_free_min: 256 << 20,
            snapshot_every: 256,
        }
    }
}

impl Default for Actors {
    fn default() -> Self {
        Self {
            threads: 0,
            awake_max: 100_000,
            mailbox_max: 64,
            wake_permits: 64,
            pushes_max: 1024,
            idle_secs: 30,
            due_batch_max: 1024,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,actix_server=warn".to_owned(), json: false }
    }
}

/// A trusted peer as it is written: an address or a network.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Peer(IpNet);

impl TryFrom<String> for Peer {
    type Error = PeerError;

    fn try_from(text: String) -> Result<Self, PeerError> {
        peer(&text).map(Self)
    }
}

fn peers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(Vec::<Peer>::deserialize(from)?.into_iter().map(|peer| peer.0).collect())
}

/// Reads a trusted peer: an IP address, or a network such as `10.0.0.0/8`.
///
/// # Errors
/// [`PeerError`] if it is neither.
pub fn peer(text: &str) -> Result<IpNet, PeerError> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.trunc()).map_err(|_| PeerError(text.to_owned()))
}

/// Why a text is no trusted peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no peer: write an IP address, or a network such as 10.0.0.0/8")]
pub struct PeerError(String);

/// Why a text is no listening socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no listening socket: write udp:HOST:PORT or tcp:HOST:PORT, with an IP address for HOST")]
pub struct ListenError(String);

impl std::str::FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let wrong = || ListenError(text.to_owned());
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            _ => return Err(wrong()),
        };
        Ok(Self { transport, address: address.parse().map_err(|_| wrong())? })
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.address)
    }
}

impl Transport {
    /// Lower-case name, as in `transport=tcp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Whether retransmission is the transport's affair.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}
