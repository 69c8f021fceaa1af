//! The standard behaviour of OMA CPM deferred messaging as a policy component: what Restante does where no carrier says
//! otherwise. `src/queue/standard.rs` of the server says the same natively; a property test holds the two together.
#![no_std]

extern crate alloc;

/// Generated from `wit/policy.wit` by `script/policies --bindings`; do not edit.
#[rustfmt::skip]
mod policy;

use alloc::string::{String, ToString};
use policy::exports::restante::policy::{admission, delivery, expiry, handling, notification, settings};
use policy::restante::policy::types::{Client, Context, Disposal, Message};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

struct Standard;

/// DEF-5a: the provider's maximum is the only limit the standard knows.
impl admission::Guest for Standard {
    fn judge(context: Context, _: Message) -> Result<admission::Verdict, String> {
        Ok(admission::Verdict::Accept(context.expiry_max_secs))
    }
}

/// DEF-6a, DEF-6b; no rule at all is push.
impl handling::Guest for Standard {
    fn judge(context: Context, _: Message) -> Result<handling::Verdict, String> {
        Ok(if managed(&context) { handling::Verdict::Manage } else { handling::Verdict::Push })
    }
}

/// PUSH-1a: the active user preference profile may bar the client.
impl delivery::Guest for Standard {
    fn judge(context: Context, _: Message, _: Client) -> Result<delivery::Verdict, String> {
        Ok(if context.preferences.do_not_disturb { delivery::Verdict::Keep } else { delivery::Verdict::Now })
    }
}

/// EXP-1; where nothing is set, discard.
impl expiry::Guest for Standard {
    fn judge(context: Context, _: Message) -> Result<expiry::Verdict, String> {
        Ok(match context.preferences.expired {
            Some(Disposal::Store) => expiry::Verdict::Store,
            Some(Disposal::Discard) | None => expiry::Verdict::Discard,
        })
    }
}

/// Off in push mode, on in manage mode (MNG-N0): in-band if a client is registered, else out-of-band.
impl notification::Guest for Standard {
    fn judge(
        context: Context,
        _: Message,
        _: notification::Cause,
    ) -> Result<notification::Verdict, String> {
        if !is_managed(&context) {
            return Ok(notification::Verdict::None);
        }
        let in_band = !context.clients.is_empty();
        Ok(notification::Verdict::Notify(notification::Plan { in_band, out_of_band: !in_band, at: None }))
    }
}

/// There is nothing to set.
impl settings::Guest for Standard {
    fn schema() -> String {
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false}"#
            .to_string()
    }

    fn configure(json: String) -> Result<(), String> {
        let inside = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if inside.is_some_and(|inside| inside.trim().is_empty()) {
            Ok(())
        } else {
            Err("the standard policy has no settings: give {}".to_string())
        }
    }
}

/// What was chosen for this message (DEF-6).
fn is_managed(context: &Context) -> bool {
    context.attributes.iter().any(|(name, value)| name == "handling" && value == "manage")
}

/// DEF-6b: the user's rule for deferred messages does not allow push.
fn managed(context: &Context) -> bool {
    context.preferences.allow_push == Some(false)
}

policy::export!(Standard with_types_in policy);
