//! Questions without the people in them: each address, client, subject and message id becomes another one, always the same.
//!
//! What a policy may go by keeps its kind: a telephone number stays one of as many digits, a short code a short code, a
//! realm of the operator the realm. What stands for what is in memory only, and gone when the program ends.

use crate::policy::tags;
use crate::queue::question::{ClientView, Context, MessageView, Question};
use crate::types::{Address, ClientId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

/// A country code that no country has: whatever follows is nobody's number.
const NOWHERE: &str = "999";

/// What stands for what, by the order in which it was met.
pub(super) struct Mask {
    /// The operator's own: they stay.
    realms: BTreeSet<String>,
    people: Names,
    domains: Names,
    clients: Names,
    subjects: Names,
    messages: Names,
    tags: Names,
    values: Names,
}

/// Numbers for texts.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn number(&mut self, text: &str) -> usize {
        let next = self.0.len() + 1;
        *self.0.entry(text.to_owned()).or_insert(next)
    }
}

impl Mask {
    /// The realms are the operator's own. All must be known before the first question: a host is masked by what is known
    /// when it is met.
    pub fn new(realms: impl IntoIterator<Item = String>) -> Self {
        let names = Names::default;
        let (people, domains, clients) = (names(), names(), names());
        let (subjects, messages, tags, values) = (names(), names(), names(), names());
        Self { realms: realms.into_iter().collect(), people, domains, clients, subjects, messages, tags, values }
    }

    pub fn question(&mut self, question: &Question) -> Question {
        match question {
            Question::Admission { context, message } => {
                Question::Admission { context: self.context(context), message: self.message(message) }
            }
            Question::Handling { context, message } => {
                Question::Handling { context: self.context(context), message: self.message(message) }
            }
            Question::Delivery { context, message, client } => Question::Delivery {
                context: self.context(context),
                message: self.message(message),
                client: self.client(client),
            },
            Question::Expiry { context, message } => {
                Question::Expiry { context: self.context(context), message: self.message(message) }
            }
            Question::Notification { context, message, cause } => {
                Question::Notification { context: self.context(context), message: self.message(message), cause: *cause }
            }
        }
    }

    fn context(&mut self, context: &Context) -> Context {
        Context {
            user: self.address(&context.user),
            clients: context.clients.iter().map(|client| self.client(client)).collect(),
            ..context.clone()
        }
    }

    fn message(&mut self, message: &MessageView) -> MessageView {
        let mut id = [0; 16];
        let number = self.messages.number(&message.id.to_string()) as u64;
        id[8..].copy_from_slice(&number.to_be_bytes());
        MessageView {
            id: MessageId(id),
            sender: message.sender.as_ref().map(|sender| self.address(sender)),
            subject: message.subject.as_ref().map(|subject| format!("Subject {}", self.subjects.number(subject))),
            content_type: media_type(&message.content_type),
            ..message.clone()
        }
    }

    fn client(&mut self, client: &ClientView) -> ClientView {
        let own = client.id.0.clone();
        let id = self.client_id(&own);
        let tags = client.tags.iter().map(|tag| self.tag(tag, &own)).collect();
        ClientView { id: ClientId(id), tags, ..client.clone() }
    }

    fn client_id(&mut self, id: &str) -> String {
        let number = self.clients.number(id.trim_matches('"'));
        if id.contains("urn:") {
            format!("<urn:uuid:00000000-0000-4000-8000-{number:012x}>")
        } else {
            format!("sip:client-{number}@device.invalid")
        }
    }

    /// Of a tag what standards know stays, name and value each; an instance stays that of its client.
    fn tag(&mut self, tag: &str, client: &str) -> String {
        let (name, value) = tag.split_once('=').map_or((tag, None), |(name, value)| (name, Some(value)));
        if name.trim().eq_ignore_ascii_case("+sip.instance") {
            let value = value.unwrap_or_default();
            // The same device may be written with brackets or without.
            let same = value.trim_matches('"').trim_matches(['<', '>']) == client.trim_matches(['<', '>']);
            let id = self.client_id(if same { client } else { value });
            return format!("{name}=\"{id}\"");
        }
        // A service without its name was stored before clients had whole tags.
        let is_known = tags::is_known(name) || value.is_none() && tags::is_service(name);
        let name = if is_known { name.to_owned() } else { format!("tag-{}", self.tags.number(name)) };
        match value.map(|value| value.trim_matches('"')) {
            None => name,
            Some(value) if tags::is_harmless(&name, value) => format!("{name}=\"{value}\""),
            Some(value) => format!("{name}=\"value-{}\"", self.values.number(value)),
        }
    }

    fn address(&mut self, address: &Address) -> Address {
        let number = self.people.number(person(address));
        let user = like(address.user(), number);
        let text = if address.host().is_empty() {
            format!("tel:{user}")
        } else {
            format!("sip:{user}@{}", self.host(address.host()))
        };
        // It is one by its making; should it not be, nobody is better than somebody.
        Address::parse(&text).unwrap_or_else(|_| Address::nobody())
    }

    fn host(&mut self, host: &str) -> String {
        if self.realms.contains(host) {
            return host.to_owned();
        }
        format!("domain-{}.example", self.domains.number(host))
    }
}

/// Who it is: the number, however it is written; else the whole address.
fn person(address: &Address) -> &str {
    if address.user().starts_with('+') { address.user() } else { address.as_str() }
}

/// Another user part of the same kind.
fn like(user: &str, number: usize) -> String {
    let digits = user.trim_start_matches('+');
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return format!("user-{number}");
    }
    if user.starts_with('+') {
        let width = digits.len().saturating_sub(NOWHERE.len());
        format!("+{NOWHERE}{number:0width$}")
    } else {
        format!("{number:0width$}", width = digits.len())
    }
}

/// Without parameters: a boundary is chance, and a name may be one of a file.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_owned()
}
