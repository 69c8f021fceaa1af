//! `[notifier]`, `[webhook]` and `[smpp]`: who is told out-of-band that messages wait, and how.

use super::Config;
use super::places::join;
use super::sections::Secret;
use super::validate::Check;
use serde::Deserialize;
use std::path::PathBuf;

const DAY_SECS: u64 = 86_400;

/// `[notifier]`: what tells a user who has no registered client that messages wait (spec 1.8, I.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Notifier {
    /// The way, where a realm names none of its own.
    pub kind: NotifierKind,
    /// Notifications given to the outside part per second, all realms together; more are tried again later.
    pub per_second_max: u32,
    /// Messages described in one notification; the rest is only counted.
    pub messages_max: usize,
    /// Notifications that wait in the outbox; beyond it they are tried again later.
    pub outbox_max: u64,
}

/// A way of notifying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifierKind {
    /// Kept in the data directory until the operator's gateway takes them off through the admin API.
    #[default]
    Outbox,
    /// Posted to an HTTP server.
    Webhook,
    /// Submitted to an SMSC as short messages.
    Smpp,
    /// Nobody is told out-of-band.
    None,
}

/// `[webhook]`: where notifications of kind `webhook` are posted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Webhook {
    /// `https://…` or `http://…`.
    pub url: Option<String>,
    /// Each signs every request; the receiver may know any one of them.
    pub secrets: Vec<Secret>,
    /// PEM file with the authorities that may vouch for the server; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Time for a connection to be made, seconds.
    pub connect_secs: u64,
    /// Time for the whole exchange, seconds.
    pub request_secs: u64,
    /// Requests at once.
    pub in_flight_max: usize,
}

/// `[smpp]`: the SMSC for notifications of kind `smpp` (SMPP 3.4).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Smpp {
    /// `HOST:PORT`.
    pub address: Option<String>,
    /// TLS from the first octet.
    pub tls: bool,
    /// PEM file with the authorities that may vouch for the SMSC; without it those of the system.
    pub ca_file: Option<PathBuf>,
    pub system_id: String,
    pub password: Secret,
    pub system_type: String,
    pub bind: SmppBind,
    /// Who the short message is from: a number, a short code or up to 11 letters and digits.
    pub source: String,
    /// Type of number and numbering plan of `source` (SMPP 3.4 sections 5.2.5, 5.2.6); without them they follow from it.
    pub source_ton: Option<u8>,
    pub source_npi: Option<u8>,
    /// The text; `{count}` stands for the number of messages.
    pub text: String,
    /// The text when messages expired and were discarded.
    pub text_discarded: String,
    /// The text when messages expired and are in the message store.
    pub text_stored: String,
    pub encoding: SmppEncoding,
    pub long: SmppLong,
    /// `submit_sm` without a response at once.
    pub window_max: usize,
    /// Time for a connection and its bind, and for each response, seconds.
    pub response_secs: u64,
    /// Silence after which the SMSC is asked whether it is there, seconds.
    pub enquire_link_secs: u64,
    /// First pause before connecting again, milliseconds; it doubles …
    pub reconnect_min_ms: u64,
    /// … up to this, milliseconds.
    pub reconnect_max_ms: u64,
}

/// How we bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmppBind {
    #[default]
    Transceiver,
    Transmitter,
}

/// How texts become octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmppEncoding {
    /// GSM 7-bit if it can say the text, else UCS-2.
    #[default]
    Auto,
    Gsm7,
    Ucs2,
}

/// What is done with a text that one short message cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmppLong {
    /// Several short messages that the phone joins (3GPP TS 23.040 section 9.2.3.24.1).
    #[default]
    Udh,
    /// One `submit_sm` with `message_payload`, which the SMSC divides.
    Payload,
}

impl NotifierKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Outbox, Self::Webhook, Self::Smpp, Self::None];
}

impl Default for Notifier {
    fn default() -> Self {
        Self { kind: NotifierKind::Outbox, per_second_max: 100, messages_max: 20, outbox_max: 100_000 }
    }
}

impl Default for Webhook {
    fn default() -> Self {
        Self { url: None, secrets: Vec::new(), ca_file: None, connect_secs: 3, request_secs: 10, in_flight_max: 32 }
    }
}

impl Default for Smpp {
    fn default() -> Self {
        Self {
            address: None,
            tls: false,
            ca_file: None,
            system_id: String::new(),
            password: Secret(String::new()),
            system_type: String::new(),
            bind: SmppBind::default(),
            source: "Restante".to_owned(),
            source_ton: None,
            source_npi: None,
            text: "You have {count} message(s) waiting. Switch on your phone's messaging to get them.".to_owned(),
            text_discarded: "{count} message(s) for you expired before they could be delivered.".to_owned(),
            text_stored: "{count} message(s) for you could not be delivered and were put into your message store."
                .to_owned(),
            encoding: SmppEncoding::default(),
            long: SmppLong::default(),
            window_max: 10,
            response_secs: 5,
            enquire_link_secs: 30,
            reconnect_min_ms: 500,
            reconnect_max_ms: 30_000,
        }
    }
}

impl Config {
    /// How users of a realm are notified out-of-band.
    #[must_use]
    pub fn notifier_of(&self, realm: &str) -> NotifierKind {
        self.realms.get(realm).and_then(|realm| realm.notifier).unwrap_or(self.notifier.kind)
    }

    /// Whether some realm is notified in this way.
    #[must_use]
    pub fn notifies_by(&self, kind: NotifierKind) -> bool {
        self.realms.keys().any(|realm| self.notifier_of(realm) == kind)
    }
}

/// Whether a key holds what must not be printed.
pub(super) fn is_secret(key: &str) -> bool {
    key.starts_with("webhook.secrets") || key == "smpp.password"
}

/// Adds every problem of these sections.
pub(super) fn validate(check: &mut Check<'_>, config: &Config) {
    notifier(check, &config.notifier);
    webhook(check, config);
    smpp_server(check, config);
    smpp_texts(check, &config.smpp);
}

fn notifier(check: &mut Check<'_>, notifier: &Notifier) {
    check.range("notifier.per-second-max", notifier.per_second_max, 1, 100_000, "notifications");
    check.range("notifier.messages-max", notifier.messages_max, 1, 1000, "messages");
    check.range("notifier.outbox-max", notifier.outbox_max, 1, 100_000_000, "notifications");
}

fn webhook(check: &mut Check<'_>, config: &Config) {
    let webhook = &config.webhook;
    let needed = config.notifies_by(NotifierKind::Webhook);
    let missing = needed && webhook.url.is_none();
    check.holds("webhook.url", !missing, "notifications are to be posted, but nobody says where", "give a URL");
    let missing = needed && webhook.secrets.is_empty();
    let advice = "give webhook.secrets = [\"…\"], 16 characters at least";
    check.holds("webhook.secrets", !missing, "nothing would prove to the receiver who is posting", advice);
    if let Some(url) = &webhook.url {
        check.text("webhook.url", url, is_http_url, "a URL such as https://gateway.example.net/notifications");
    }
    check.range("webhook.secrets", webhook.secrets.len(), 0, 8, "secrets");
    let short = webhook.secrets.iter().any(|secret| secret.0.chars().count() < 16);
    check.holds("webhook.secrets", !short, "a secret is so short that it can be guessed", "16 characters at least");
    check.range("webhook.connect-secs", webhook.connect_secs, 1, 600, "seconds");
    check.range("webhook.request-secs", webhook.request_secs, 1, 600, "seconds");
    check.range("webhook.in-flight-max", webhook.in_flight_max, 1, 10_000, "requests");
}

fn smpp_server(check: &mut Check<'_>, config: &Config) {
    let smpp = &config.smpp;
    let missing = config.notifies_by(NotifierKind::Smpp) && smpp.address.is_none();
    check.holds("smpp.address", !missing, "short messages are to be sent, but no SMSC is named", "give HOST:PORT");
    if let Some(address) = &smpp.address {
        check.text("smpp.address", address, is_host_port, "HOST:PORT, such as smsc.example.net:2775");
    }
    // Their lengths are those of SMPP 3.4 section 4.1.1, without the final zero octet.
    let plain = |max: usize| move |text: &str| text.len() <= max && text.bytes().all(|b| (b' '..0x7f).contains(&b));
    check.text("smpp.system-id", &smpp.system_id, plain(15), "up to 15 ASCII characters");
    check.text("smpp.system-type", &smpp.system_type, plain(12), "up to 12 ASCII characters");
    let good = plain(8)(&smpp.password.0);
    check.holds("smpp.password", good, "it is no password of SMPP 3.4", "give up to 8 ASCII characters");
    check.text("smpp.source", &smpp.source, plain(20), "up to 20 ASCII characters");
    check.range("smpp.source-ton", smpp.source_ton.unwrap_or(0), 0, 6, "");
    check.range("smpp.source-npi", smpp.source_npi.unwrap_or(0), 0, 18, "");
    check.range("smpp.window-max", smpp.window_max, 1, 10_000, "submissions");
    check.range("smpp.response-secs", smpp.response_secs, 1, 600, "seconds");
    check.range("smpp.enquire-link-secs", smpp.enquire_link_secs, 1, DAY_SECS, "seconds");
    check.range("smpp.reconnect-min-ms", smpp.reconnect_min_ms, 10, DAY_SECS * 1000, "milliseconds");
    check.range("smpp.reconnect-max-ms", smpp.reconnect_max_ms, 10, DAY_SECS * 1000, "milliseconds");
    check.holds(
        "smpp.reconnect-min-ms",
        smpp.reconnect_min_ms <= smpp.reconnect_max_ms,
        "the first pause is longer than the longest",
        "lower it, or raise smpp.reconnect-max-ms",
    );
}

fn smpp_texts(check: &mut Check<'_>, smpp: &Smpp) {
    for (key, text) in
        [("text", &smpp.text), ("text-discarded", &smpp.text_discarded), ("text-stored", &smpp.text_stored)]
    {
        let good = |text: &str| !text.trim().is_empty() && text.chars().count() <= 600 && only_count(text);
        check.text(&join("smpp", key), text, good, "1 to 600 characters, with no other {…} than {count}");
    }
}

/// Whether `{count}` is the only placeholder, and no other brace is there.
fn only_count(text: &str) -> bool {
    !text.replace("{count}", "").contains(['{', '}'])
}

fn is_http_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && text.bytes().all(|b| (b'!'..0x7f).contains(&b) && !matches!(b, b'#' | b'"' | b'<' | b'>'))
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    super::validate::is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
