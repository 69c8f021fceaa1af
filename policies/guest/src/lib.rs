//! What a policy for Restante needs in Rust, so that it is a few lines: types and traits of the contract
//! (`wit/policy.wit`), settings from JSON, local time, feature tags, the standard behaviour to fall back to.
//!
//! ```ignore
//! #![no_std]
//! use restante_policy::prelude::*;
//!
//! struct Codes;
//!
//! impl Expiry for Codes {
//!     fn judge(&self, context: &Context, message: &Message) -> Result<expiry::Verdict, String> {
//!         let from_the_bank = message.sender.as_ref().is_some_and(|sender| sender.ends_with("@bank.example"));
//!         Ok(if from_the_bank { expiry::Verdict::Discard } else { standard::expiry(context) })
//!     }
//! }
//!
//! restante_policy::export!(Codes: expiry);
//! ```
//!
//! Only what is listed in [`export!`] is exported, and the standard behaviour decides the rest. A policy with settings
//! implements [`Policy`] and is exported as `export!(Codes with settings: expiry)`.
#![no_std]

extern crate alloc;

#[doc(hidden)]
#[rustfmt::skip]
pub mod bindings;
mod export;
pub mod json;
mod kept;
mod log;
#[cfg(all(target_arch = "wasm32", feature = "runtime"))]
mod runtime;
pub mod standard;
pub mod tags;
pub mod time;

pub use alloc::string::String;
pub use bindings::common::restante::policy::host::Level;
pub use bindings::common::restante::policy::types::{Client, Context, Disposal, Message, Mode, Preferences};
#[doc(hidden)]
pub use kept::Kept;
#[doc(hidden)]
pub use log::write;

/// Words of the decision `admission`.
pub mod admission {
    pub use crate::bindings::admission::exports::restante::policy::admission::{Refusal, Verdict};
}
/// Words of the decision `handling`.
pub mod handling {
    pub use crate::bindings::handling::exports::restante::policy::handling::Verdict;
}
/// Words of the decision `delivery`.
pub mod delivery {
    pub use crate::bindings::delivery::exports::restante::policy::delivery::Verdict;
}
/// Words of the decision `expiry`.
pub mod expiry {
    pub use crate::bindings::expiry::exports::restante::policy::expiry::Verdict;
}
/// Words of the decision `notification`.
pub mod notification {
    pub use crate::bindings::notification::exports::restante::policy::notification::{Cause, Plan, Verdict};
}

/// Everything that a policy ordinarily names.
pub mod prelude {
    pub use crate::json::{self, Json, Object};
    pub use crate::{Admission, Delivery, Expiry, Handling, Notification, Policy};
    pub use crate::{Client, Context, Disposal, Message, Mode, Preferences};
    pub use crate::{admission, delivery, expiry, handling, notification, standard, tags, time};
    pub use crate::{debug, error, info, warn};
    pub use alloc::borrow::ToOwned;
    pub use alloc::boxed::Box;
    pub use alloc::format;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec;
    pub use alloc::vec::Vec;
}

/// A policy with settings. They are read once, when an instance starts.
pub trait Policy: Sized + 'static {
    /// The JSON Schema of the settings.
    const SCHEMA: &'static str;

    /// The policy with these settings; what an operator gave none of must have a default, or be refused.
    ///
    /// # Errors
    /// What is wrong with the settings, in words for the operator.
    fn configure(settings: &json::Object) -> Result<Self, String>;
}

/// Takes the decision `admission`: a message is about to be deferred.
pub trait Admission {
    /// # Errors
    /// Why it cannot decide; the standard behaviour does then.
    fn judge(&self, context: &Context, message: &Message) -> Result<admission::Verdict, String>;
}

/// Takes the decision `handling`: push or manage.
pub trait Handling {
    /// # Errors
    /// Why it cannot decide; the standard behaviour does then.
    fn judge(&self, context: &Context, message: &Message) -> Result<handling::Verdict, String>;
}

/// Takes the decision `delivery`: this message to this client, now?
pub trait Delivery {
    /// # Errors
    /// Why it cannot decide; the standard behaviour does then.
    fn judge(&self, context: &Context, message: &Message, client: &Client) -> Result<delivery::Verdict, String>;
}

/// Takes the decision `expiry`: discard or store.
pub trait Expiry {
    /// # Errors
    /// Why it cannot decide; the standard behaviour does then.
    fn judge(&self, context: &Context, message: &Message) -> Result<expiry::Verdict, String>;
}

/// Takes the decision `notification`: tell the recipient, how, and when?
pub trait Notification {
    /// # Errors
    /// Why it cannot decide; the standard behaviour does then.
    fn judge(
        &self,
        context: &Context,
        message: &Message,
        cause: &notification::Cause,
    ) -> Result<notification::Verdict, String>;
}
