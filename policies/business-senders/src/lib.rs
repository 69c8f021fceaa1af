//! Business senders: what listed senders send is handled and expires in another way than what people send; and devices of
//! some kinds, such as tablets, get messages only on request. `policies/business-senders-c` is the same in C.
#![no_std]

mod pattern;

use pattern::Pattern;
use restante_policy::prelude::*;

struct BusinessSenders {
    senders: Vec<Pattern>,
    on_request_tags: Vec<String>,
    /// None: what the recipient prefers.
    expired: Option<expiry::Verdict>,
    others_expired: Option<expiry::Verdict>,
    handling: Option<handling::Verdict>,
}

impl Policy for BusinessSenders {
    const SCHEMA: &'static str = include_str!("../settings.json");

    fn configure(settings: &Object) -> Result<Self, String> {
        let list = |name| Ok::<_, String>(settings.texts(name)?.unwrap_or_default());
        Ok(Self {
            senders: patterns(&list("senders")?)?,
            on_request_tags: list("on-request-tags")?.into_iter().map(ToOwned::to_owned).collect(),
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

/// Their number is told, too, because the server masks what looks like somebody's address.
fn patterns(texts: &[&str]) -> Result<Vec<Pattern>, String> {
    let read = |(at, text): (usize, &&str)| {
        Pattern::read(text).map_err(|why| format!("sender {}, '{text}', can match nobody: {why}", at + 1))
    };
    texts.iter().enumerate().map(read).collect()
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
        self.senders.iter().any(|pattern| pattern.covers(&address))
    }
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
