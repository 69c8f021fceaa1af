//! SIP dialogs without sockets or clocks (RFC 3261 sections 12 to 15, RFC 4028): what two ends of a call know of each other.
//!
//! [`Dialog`] is the state and makes requests of it; [`Dialogs`] keeps all of an endpoint: it repeats 2xx until their ACK
//! comes, answers what belongs to a dialog, refreshes sessions, and tells when one has ended. [`accept()`] makes the answer
//! that establishes a dialog, [`offer_session`] asks for a session timer in a call of ours.

mod accept;
mod machine;
mod receive;
mod session;
mod state;

#[cfg(test)]
mod tests;

pub use accept::{accept, sdp_of};
pub use machine::{Accepted, Cause, DialogEvent, DialogInput, DialogKey, DialogRequest, Dialogs, Established};
pub use session::{MIN_SE, Refresher, SessionExpires, min_se, offer_more, offer_session, supports};
pub use state::{Dialog, DialogId};

use super::Method;

/// What a dialog of ours takes, for `Allow`.
pub const ALLOWED: [Method; 6] =
    [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Update, Method::Options];
