//! Business senders: what listed senders send is handled and expires in another way than what people send; and devices of
//! some kinds, such as tablets, get messages only on request. `policies/business-senders-c` is the same in C.
#![no_std]

use restante_policy::prelude::*;

struct BusinessSenders {
    senders: Vec<String>,
    on_request_tags: Vec<String>,
    /// None: what the recipient prefers.
    expired: Option<expiry::Verdict>,
    others_expired: Option<expiry::Verdict>,
    handling: Option<handling::Verdict>,
}

impl Policy for BusinessSenders {
    const SCHEMA: &'static str = include_str!("../settings.json");

    fn configure(settings: &Object) -> Result<Self, String> {
        let list = |name| -> Result<Vec<String>, String> {
            Ok(settings.texts(name)?.unwrap_or_default().into_iter().map(ToOwned::to_owned).collect())
        };
        Ok(Self {
            senders: list("senders")?.into_iter().map(|pattern| pattern.to_ascii_lowercase()).collect(),
            on_request_tags: list("on-request-tags")?,
            expired: disposal(settings, "expired", Some(expiry::Verdict::Discard))?,
            others_expired: disposal(settings, "others-expired", None)?,
            handling: match settings.text("handling")? {
                Some("push") => Some(handling::Verdict::Push),
                Some("manage") => Some(handling::Verdict::Manage),
                Some("preference") | None => None,
                Some(_) => return Err("'handling' must be push, manage or preference".to_owned()),
            },
        })
    }
}

fn disposal(
    settings: &Object,
    name: &str,
    default: Option<expiry::Verdict>,
) -> Result<Option<expiry::Verdict>, String> {
    match settings.text(name)? {
        Some("discard") => Ok(Some(expiry::Verdict::Discard)),
        Some("store") => Ok(Some(expiry::Verdict::Store)),
        Some("preference") => Ok(None),
        Some(_) => Err(format!("'{name}' must be discard, store or preference")),
        None => Ok(default),
    }
}

impl BusinessSenders {
    fn lists(&self, message: &Message) -> bool {
        let Some(sender) = &message.sender else { return false };
        let address = sender.split_once(':').map_or(sender.as_str(), |(_, address)| address).to_ascii_lowercase();
        let (user, domain) = address.split_once('@').unwrap_or((&address, ""));
        self.senders.iter().any(|pattern| match pattern {
            whole if whole.contains('@') => matches(whole, &address),
            number if number.starts_with('+') => matches(number, user),
            of_domain => matches(of_domain, domain),
        })
    }
}

/// Whether a pattern, in which `*` stands for any characters, covers the whole text. Every octet of the text is gone back to
/// at most once for each of the pattern: no pattern takes long.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, read) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|octet| *octet == b'*')
}

impl Expiry for BusinessSenders {
    fn judge(&self, context: &Context, message: &Message) -> Result<expiry::Verdict, String> {
        let chosen = if self.lists(message) { &self.expired } else { &self.others_expired };
        Ok(chosen.clone().unwrap_or_else(|| standard::expiry(context)))
    }
}

impl Handling for BusinessSenders {
    fn judge(&self, context: &Context, message: &Message) -> Result<handling::Verdict, String> {
        let chosen = self.handling.clone().filter(|_| self.lists(message));
        Ok(chosen.unwrap_or_else(|| standard::handling(context)))
    }
}

impl Delivery for BusinessSenders {
    /// What is managed was asked for by the user, on the device that asks.
    fn judge(&self, context: &Context, _: &Message, client: &Client) -> Result<delivery::Verdict, String> {
        let waits = self.on_request_tags.iter().any(|tag| tags::has(client, tag));
        Ok(if waits && !standard::is_managed(context) { delivery::Verdict::Keep } else { standard::delivery(context) })
    }
}

restante_policy::export!(BusinessSenders with settings: delivery, expiry, handling);
