//! The standard behaviour of OMA CPM, to fall back to: what the server decides where no policy does.

use crate::{Context, Disposal, admission, delivery, expiry, handling, notification};

/// DEF-5a: the provider's maximum is the only limit the standard knows.
pub fn admission(context: &Context) -> admission::Verdict {
    admission::Verdict::Accept(context.expiry_max_secs)
}

/// DEF-6a, DEF-6b; no rule at all is push.
pub fn handling(context: &Context) -> handling::Verdict {
    if context.preferences.allow_push == Some(false) { handling::Verdict::Manage } else { handling::Verdict::Push }
}

/// PUSH-1a: the active user preference profile may bar the client.
pub fn delivery(context: &Context) -> delivery::Verdict {
    if context.preferences.do_not_disturb { delivery::Verdict::Keep } else { delivery::Verdict::Now }
}

/// EXP-1; where nothing is set, discard.
pub fn expiry(context: &Context) -> expiry::Verdict {
    match context.preferences.expired {
        Some(Disposal::Store) => expiry::Verdict::Store,
        Some(Disposal::Discard) | None => expiry::Verdict::Discard,
    }
}

/// Off in push mode, on in manage mode (MNG-N0): in-band if a client is registered, else out-of-band.
pub fn notification(context: &Context) -> notification::Verdict {
    if !is_managed(context) {
        return notification::Verdict::None;
    }
    let in_band = !context.clients.is_empty();
    notification::Verdict::Notify(notification::Plan { in_band, out_of_band: !in_band, at: None })
}

/// Whether the message in question is left to the user to manage (DEF-6); `false` before that is chosen.
pub fn is_managed(context: &Context) -> bool {
    attribute(context, "handling") == Some("manage")
}

/// What the context has of this name beyond its record.
pub fn attribute<'c>(context: &'c Context, name: &str) -> Option<&'c str> {
    context.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}
