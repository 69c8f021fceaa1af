//! What makes sense: the range of every number, the form of every name, and which values must fit together.

use super::load::{Fault, Problem};
use super::places::{Places, join};
use super::{
    Actors, Config, Errands, Journal, Listen, Preferences, Queue, Realm, Sip, Transport, admin, demo, msrp, notifier,
    policy, store,
};
use std::collections::HashSet;
use std::net::{Ipv6Addr, SocketAddr};

const DAY_SECS: u64 = 86_400;
const MONTH_SECS: u64 = 30 * DAY_SECS;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Adds every problem of these values to `problems`.
pub(super) fn validate(config: &Config, places: &Places, problems: &mut Vec<Problem>) {
    let mut check = Check { places, problems };
    sip(&mut check, &config.sip);
    msrp::validate(&mut check, &config.msrp);
    realms(&mut check, config);
    queue(&mut check, &config.queue);
    errands(&mut check, &config.errands);
    journal(&mut check, &config.journal);
    let realms = config.realms.keys().map(String::as_str).collect();
    policy::validate(&mut check, &config.policy, &realms);
    preferences(&mut check, &config.preferences);
    actors(&mut check, &config.actors);
    admin::validate(&mut check, config);
    store::validate(&mut check, &config.store);
    notifier::validate(&mut check, config);
    check.text("log.filter", &config.log.filter, |text| !text.trim().is_empty(), "a filter such as info");
    together(&mut check, config);
}

pub(super) struct Check<'a> {
    places: &'a Places,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn fault(&mut self, key: &str, fault: Fault) {
        self.problems.push(Problem { place: self.places.of(key), key: key.to_owned(), fault });
    }

    pub(super) fn range(&mut self, key: &str, value: impl TryInto<u64>, min: u64, max: u64, unit: &'static str) {
        let value = value.try_into().unwrap_or(u64::MAX);
        if value < min || value > max {
            self.fault(key, Fault::Range { value, min, max, unit });
        }
    }

    pub(super) fn text(&mut self, key: &str, value: &str, good: impl Fn(&str) -> bool, wanted: &'static str) {
        if !good(value) {
            self.fault(key, Fault::Text { value: value.to_owned(), wanted });
        }
    }

    pub(super) fn holds(&mut self, key: &str, good: bool, why: &'static str, advice: &'static str) {
        if !good {
            self.fault(key, Fault::Conflict { why, advice });
        }
    }

    pub(super) fn no_twins<T: std::hash::Hash + Eq + ToString>(&mut self, key: &str, values: &[T]) {
        let mut seen = HashSet::new();
        for (index, value) in values.iter().enumerate() {
            if !seen.insert(value) {
                self.fault(&format!("{key}[{index}]"), Fault::Twice { value: value.to_string() });
            }
        }
    }
}

fn sip(check: &mut Check<'_>, sip: &Sip) {
    let empty = sip.listen.is_empty();
    check.holds("sip.listen", !empty, "no socket to listen on", "give at least one, such as udp:127.0.0.1:5060");
    // Port 0 asks the system for a free one, so two of them are not the same socket.
    let fixed: Vec<_> = sip.listen.iter().filter(|listen| listen.address.port() != 0).copied().collect();
    check.no_twins("sip.listen", &fixed);
    check.no_twins("sip.trusted-peers", &sip.trusted_peers);
    if let Some(host) = &sip.host {
        check.text("sip.host", host, is_host, "a host name or an IP address");
    }
    check.text("sip.release", &sip.release, is_header_text, "printable characters on one line");
    check.range("sip.header-bytes-max", sip.header_bytes_max, KIB, MIB, "octets");
    check.range("sip.header-lines-max", sip.header_lines_max, 16, 4096, "lines");
    check.range("sip.body-bytes-max", sip.body_bytes_max, 1, 16 * MIB, "octets");
    check.range("sip.server-transactions-max", sip.server_transactions_max, 1, 10_000_000, "transactions");
    check.range("sip.client-transactions-max", sip.client_transactions_max, 1, 10_000_000, "transactions");
    check.range("sip.dialogs-max", sip.dialogs_max, 1, 1_000_000, "dialogs");
    check.range("sip.session-secs", sip.session_secs, 90, DAY_SECS, "seconds");
    check.range("sip.connections-max", sip.connections_max, 1, 1_000_000, "connections");
    check.range("sip.connection-idle-secs", sip.connection_idle_secs, 1, DAY_SECS, "seconds");
    check.range("sip.connection-backlog-max", sip.connection_backlog_max, 4 * KIB, 256 * MIB, "octets");
    check.range("sip.udp-request-bytes-max", sip.udp_request_bytes_max, 200, 65_507, "octets");
    check.range("sip.retry-after-secs", sip.retry_after_secs, 1, DAY_SECS, "seconds");
    check.range("sip.digest-clients-max", sip.digest_clients_max, 1, 10_000_000, "clients");
    check.range("sip.subscriptions-max", sip.subscriptions_max, 1, 10_000_000, "subscriptions");
    check.range("sip.subscription-secs", sip.subscription_secs, 60, MONTH_SECS, "seconds");
}

fn realms(check: &mut Check<'_>, config: &Config) {
    let none = config.realms.is_empty();
    check.holds("realms", !none, "no realm to serve", "add a section [realms.\"DOMAIN\"], or give --realm DOMAIN");
    for (name, realm) in &config.realms {
        let path = join("realms", name);
        check.text(&path, name, is_host_name, "a host name, such as ims.example.net");
        one_realm(check, &path, realm);
    }
    check.holds(
        "sip.listen",
        !demo::is_open_to_all(config) || config.sip.listen.iter().all(|listen| listen.address.ip().is_loopback()),
        "the demo users have passwords that everybody knows, and this socket can be reached from elsewhere",
        "name your own realm (--realm DOMAIN, or a configuration file), or listen on 127.0.0.1 only",
    );
}

fn one_realm(check: &mut Check<'_>, path: &str, realm: &Realm) {
    if let Some(next_hop) = &realm.next_hop {
        let wanted = "a SIP URI, such as sip:scscf.example.net:5060;transport=udp (sips: is not supported yet)";
        check.text(&join(path, "next-hop"), next_hop, is_next_hop, wanted);
    }
    if let Some(isf) = &realm.isf {
        check.text(&join(path, "isf"), isf, is_next_hop, "a SIP URI, such as sip:isf.example.net:5060;transport=tcp");
    }
    for (user, password) in &realm.users {
        let key = join(&join(path, "users"), user);
        let good = !user.is_empty() && user.chars().all(|c| !c.is_control() && !matches!(c, '"' | '\\' | ' '));
        check.text(&key, user, |_| good, "a user name without spaces, quotes or control characters");
        let empty = password.0.is_empty();
        check.holds(&key, !empty, "the password is empty", "give one, or remove the user");
    }
    if let Some(root) = &realm.xcap_root {
        let good = |root: &str| root.is_empty() || is_http_url(root);
        check.text(&join(path, "xcap-root"), root, good, "an XCAP root, or nothing for documents kept here");
    }
    check.range(&join(path, "expiry-max-secs"), realm.expiry_max_secs, 1, MONTH_SECS, "seconds");
    check.range(&join(path, "registration-min-secs"), realm.registration_min_secs, 1, MONTH_SECS, "seconds");
    check.range(&join(path, "registration-max-secs"), realm.registration_max_secs, 1, MONTH_SECS, "seconds");
    check.holds(
        &join(path, "registration-min-secs"),
        realm.registration_min_secs <= realm.registration_max_secs,
        "the shortest registration is longer than the longest",
        "lower it, or raise registration-max-secs",
    );
}

fn queue(check: &mut Check<'_>, queue: &Queue) {
    check.range("queue.messages-max", queue.messages_max, 1, 1_000_000, "messages");
    check.range("queue.bytes-max", queue.bytes_max, 1, 1024 * GIB, "octets");
    check.range("queue.retry-after-secs", queue.retry_after_secs, 1, DAY_SECS, "seconds");
    check.range("queue.clients-max", queue.clients_max, 1, 1000, "clients");
    check.range("queue.in-flight-max", queue.in_flight_max, 1, 1000, "deliveries");
    check.range("queue.backoff-min-secs", queue.backoff_min_secs, 1, DAY_SECS, "seconds");
    check.range("queue.backoff-max-secs", queue.backoff_max_secs, 1, MONTH_SECS, "seconds");
    check.range("queue.questions-max", queue.questions_max, 1, 10_000, "questions");
}

fn errands(check: &mut Check<'_>, errands: &Errands) {
    check.range("errands.in-flight-max", errands.in_flight_max, 1, 1000, "errands");
    check.range("errands.waiting-max", errands.waiting_max, 1, 1_000_000, "errands");
    check.range("errands.report-secs-max", errands.report_secs_max, 1, MONTH_SECS, "seconds");
    check.range("errands.store-secs-max", errands.store_secs_max, 1, MONTH_SECS, "seconds");
    check.range("errands.out-of-band-again-secs", errands.out_of_band_again_secs, 1, MONTH_SECS, "seconds");
    check.range("errands.out-of-band-again-secs-max", errands.out_of_band_again_secs_max, 1, MONTH_SECS, "seconds");
    check.range("errands.postpone-secs", errands.postpone_secs, 1, DAY_SECS, "seconds");
    check.range("errands.postponements-max", errands.postponements_max, 0, 1000, "times");
}

fn journal(check: &mut Check<'_>, journal: &Journal) {
    let named = !journal.directory.as_os_str().is_empty();
    check.holds("journal.directory", named, "no directory is named", "give one, such as ./data");
    check.range("journal.appends-waiting-max", journal.appends_waiting_max, 1, 1 << 22, "appends");
    check.range("journal.batch-max", journal.batch_max, 1, 65_536, "appends");
    check.range("journal.cache-bytes", journal.cache_bytes, MIB, 1024 * GIB, "octets");
    check.range("journal.write-buffer-bytes", journal.write_buffer_bytes, 4 * MIB, 64 * GIB, "octets");
    check.range("journal.disk-free-min", journal.disk_free_min, 16 * MIB, 1024 * GIB, "octets");
    check.range("journal.snapshot-every", journal.snapshot_every, 1, 1_000_000, "records");
}

fn preferences(check: &mut Check<'_>, preferences: &Preferences) {
    const ROOT: &str = "an XCAP root, such as https://xcap.ims.example.net/xcap-root";
    if let Some(root) = &preferences.xcap_root {
        check.text("preferences.xcap-root", root, is_http_url, ROOT);
    }
    let named = preferences.ca_file.as_ref().is_none_or(|file| !file.as_os_str().is_empty());
    check.holds("preferences.ca-file", named, "no file is named", "name a PEM file, or remove the key");
    for (kind, auid, document, media_type) in [
        ("rules", &preferences.rules_auid, &preferences.rules_document, &preferences.rules_media_type),
        ("profile", &preferences.profile_auid, &preferences.profile_document, &preferences.profile_media_type),
    ] {
        let auid_good = |auid: &str| auid.is_empty() || is_header_text(auid);
        check.text(&format!("preferences.{kind}-auid"), auid, auid_good, "an AUID, or nothing");
        check.text(&format!("preferences.{kind}-document"), document, is_header_text, "the name of a document");
        check.text(&format!("preferences.{kind}-media-type"), media_type, is_header_text, "a media type, or */*");
    }
    check.range("preferences.max-age-secs", preferences.max_age_secs, 1, DAY_SECS, "seconds");
    check.range("preferences.absent-max-age-secs", preferences.absent_max_age_secs, 1, DAY_SECS, "seconds");
    check.range("preferences.failure-max-age-secs", preferences.failure_max_age_secs, 1, 3600, "seconds");
    check.range("preferences.cache-users-max", preferences.cache_users_max, 1, 100_000_000, "users");
    check.range("preferences.cache-bytes-max", preferences.cache_bytes_max, MIB, 1024 * GIB, "octets");
    check.range("preferences.document-bytes-max", preferences.document_bytes_max, KIB, 16 * MIB, "octets");
    check.range("preferences.connect-ms-max", preferences.connect_ms_max, 1, 60_000, "milliseconds");
    check.range("preferences.request-ms-max", preferences.request_ms_max, 1, 60_000, "milliseconds");
    check.range("preferences.requests-max", preferences.requests_max, 1, 10_000, "requests");
    check.range("preferences.reads-max", preferences.reads_max, 1, 10_000_000, "users");
    check.range("preferences.attempts-max", preferences.attempts_max, 1, 10, "attempts");
    check.range("preferences.retry-pause-ms", preferences.retry_pause_ms, 0, 60_000, "milliseconds");
    check.range("preferences.breaker-failures", preferences.breaker_failures, 1, 10_000, "failures");
    check.range("preferences.breaker-pause-secs", preferences.breaker_pause_secs, 1, 3600, "seconds");
}

fn actors(check: &mut Check<'_>, actors: &Actors) {
    check.range("actors.threads", actors.threads, 0, 1024, "threads (0: one per core)");
    check.range("actors.awake-max", actors.awake_max, 1, 10_000_000, "users");
    check.range("actors.mailbox-max", actors.mailbox_max, 1, 100_000, "commands");
    check.range("actors.wake-permits", actors.wake_permits, 1, 100_000, "users");
    check.range("actors.pushes-max", actors.pushes_max, 1, 1_000_000, "pushes");
    check.range("actors.idle-secs", actors.idle_secs, 1, DAY_SECS, "seconds");
    check.range("actors.due-batch-max", actors.due_batch_max, 1, 1_000_000, "users");
}

/// Values of different keys that must fit together.
fn together(check: &mut Check<'_>, config: &Config) {
    let Config { sip, msrp, queue, journal, policy, preferences, actors, admin, .. } = config;
    let taken = |listen: &Listen| listen.transport == Transport::Tcp && listen.address == admin.listen;
    check.holds(
        "admin.listen",
        admin.listen.port() == 0 || !sip.listen.iter().any(taken),
        "SIP listens on this socket already",
        "choose another port for one of them",
    );
    let taken = |address: SocketAddr| {
        let by_sip = |listen: &Listen| listen.transport == Transport::Tcp && listen.address == address;
        address.port() != 0 && (address == admin.listen || sip.listen.iter().any(by_sip))
    };
    check.holds(
        "msrp.listen",
        !msrp.listen.iter().any(|listen| taken(listen.address)),
        "SIP or the HTTP API listens on this socket already",
        "choose another port for one of them",
    );
    check.holds(
        "queue.backoff-min-secs",
        queue.backoff_min_secs <= queue.backoff_max_secs,
        "the first pause is longer than the longest",
        "lower it, or raise queue.backoff-max-secs",
    );
    check.holds(
        "queue.bytes-max",
        queue.bytes_max >= sip.body_bytes_max as u64,
        "one message of the longest kind does not fit into a queue",
        "raise it to sip.body-bytes-max at least",
    );
    check.holds(
        "sip.connection-backlog-max",
        sip.connection_backlog_max >= sip.header_bytes_max.saturating_add(sip.body_bytes_max),
        "one message of the longest kind does not fit",
        "raise it to sip.header-bytes-max and sip.body-bytes-max together",
    );
    check.holds(
        "journal.batch-max",
        journal.batch_max <= journal.appends_waiting_max,
        "a batch is larger than all that may wait",
        "lower it, or raise journal.appends-waiting-max",
    );
    check.holds(
        "journal.disk-free-min",
        journal.disk_free_min >= journal.write_buffer_bytes as u64,
        "what is in memory could not be written out when the disk gets full",
        "raise it to journal.write-buffer-bytes at least",
    );
    // The cache has up to 64 parts, and each must hold both documents of a user.
    check.holds(
        "preferences.cache-bytes-max",
        preferences.cache_bytes_max / 256 >= preferences.document_bytes_max,
        "profiles with documents of the longest kind would not fit",
        "raise it to 256 times preferences.document-bytes-max at least",
    );
    check.holds(
        "actors.wake-permits",
        actors.wake_permits <= actors.awake_max,
        "more users could be waking than may be awake",
        "lower it, or raise actors.awake-max",
    );
    // Each instance may have two.
    let pool = (policy.memory_bytes_max as u64).saturating_mul(policy.instances_max.into()).saturating_mul(2);
    check.holds(
        "policy.instances-max",
        pool <= 256 * GIB,
        "all instances together could take more than 256 GiB",
        "lower it, or policy.memory-bytes-max",
    );
}

/// A host name (RFC 1123): labels of letters, digits and hyphens.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => is_host_name(text),
    }
}

/// `http://HOST[:PORT][/PATH]` or `https://…`, without user, query and fragment.
fn is_http_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let bracket = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority.rfind(':').filter(|colon| *colon > bracket) {
        Some(colon) => (&authority[..colon], authority.get(colon + 1..)),
        None => (authority, None),
    };
    matches!(scheme, "http" | "https")
        && is_host(host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'?' | b'#' | b'\\'))
}

pub(super) fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| (b' '..0x7f).contains(&b))
}

/// `sip:[user@]host[:port][;parameters]`. The SIP floor has the full reader; this keeps out what it would refuse.
fn is_next_hop(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let clean = !rest.bytes().any(|b| b <= b' ' || b >= 0x7f || matches!(b, b'<' | b'>' | b'"' | b'?'));
    if !scheme.eq_ignore_ascii_case("sip") || !clean {
        return false;
    }
    let mut parts = rest.split(';');
    let address = parts.next().unwrap_or_default();
    let host_port = address.rsplit_once('@').map_or(address, |(_, host_port)| host_port);
    let bracket = host_port.rfind(']').unwrap_or(0);
    let (host, port) = match host_port.rfind(':').filter(|colon| *colon > bracket) {
        Some(colon) => (&host_port[..colon], host_port.get(colon + 1..)),
        None => (host_port, None),
    };
    let transport_is_known = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.eq_ignore_ascii_case("transport")
            || value.eq_ignore_ascii_case("udp")
            || value.eq_ignore_ascii_case("tcp")
    };
    is_host(host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && parts.all(transport_is_known)
}
