//! The subscriber's side of event notification without sockets or clocks (RFC 6665): one machine per subscription.
//!
//! [`Subscription`] keeps one resource subscribed until it is told to leave: it refreshes before the subscription runs
//! out, begins anew when the notifier has forgotten it, and pauses longer and longer when it is refused. It is driven by
//! `handle_input(what, now)` and `handle_timeout(now)` and is emptied by `poll_transmit()`, `poll_event()` and
//! `poll_timeout()`. Each SUBSCRIBE is one transaction of the layer below, whose outcome comes back as an input.
//!
//! Only the NOTIFY makes the dialog (section 4.4.1), so it may come before the 200. One dialog is kept for each
//! subscription: the packages used here do not fork (RFC 3680 section 4.9), a NOTIFY of another branch gets 481.

mod dialog;
mod machine;
mod state;

#[cfg(test)]
mod tests;

pub use machine::Subscription;
pub use state::{Reason, SubscriptionState};

use super::transaction::Outcome;
use super::{Headers, Request};
use std::fmt;
use std::time::Duration;

/// First pause after a subscription was refused or lost; it doubles …
pub const PAUSE_MIN: Duration = Duration::from_secs(30);
/// … up to this, which is also the pause after a refusal that time alone will not change.
pub const PAUSE_MAX: Duration = Duration::from_hours(1);

/// What is subscribed to, and as whom.
#[derive(Clone)]
pub struct Plan {
    /// The event package, such as `reg`.
    pub event: &'static str,
    /// The media type of its bodies.
    pub accept: &'static str,
    /// The URI whose state is wanted: Request-URI and To of the first SUBSCRIBE.
    pub resource: String,
    /// Our own URI, for From.
    pub local: String,
    /// Where NOTIFYs are to go, for Contact: a URI.
    pub contact: String,
    /// URIs that the first SUBSCRIBE goes through, in order; at least one. Each gets `lr`.
    pub route: Vec<String>,
    /// The host in our Call-IDs.
    pub host: String,
    /// Life to ask for, seconds.
    pub expires_secs: u32,
    /// Headers that every SUBSCRIBE has beside those of the dialog and the package.
    pub headers: Headers,
    /// Fresh random bits, from which the names of all attempts are made.
    pub seed: [u8; 16],
}

/// Addresses are personal data.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("event", &self.event).finish_non_exhaustive()
    }
}

/// What happens to a [`Subscription`].
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// The SUBSCRIBE with this `CSeq` has ended.
    Outcome { cseq: u32, outcome: &'a Outcome },
    /// A NOTIFY with our Call-ID came.
    Notify(&'a Request),
    /// The whole state is wanted again: a refresh makes the notifier send it.
    Refresh,
    /// Nobody wants the state any more.
    Unsubscribe,
}

/// A SUBSCRIBE to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Names it in [`Input::Outcome`]; never used twice by one machine.
    pub cseq: u32,
    /// Complete but for Via.
    pub request: Request,
    /// The URI of the next hop.
    pub hop: String,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit").field("cseq", &self.cseq).finish_non_exhaustive()
    }
}

/// What a [`Subscription`] has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The NOTIFY just put in is ours and new: take its body, then answer it 200.
    Notified,
    /// The NOTIFY just put in is to be answered with this status: 400, 481, 489 or 500.
    Refused(u16),
    /// There is no subscription now; it is tried again after a pause.
    Down(Cause),
    /// There is no subscription any more, and none is tried: the machine can go.
    Ended(Cause),
}

/// Why a subscription is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// We left.
    Unsubscribed,
    /// A SUBSCRIBE was refused with this status.
    Status(u16),
    /// A SUBSCRIBE got no answer.
    Timeout,
    /// A SUBSCRIBE could not be sent.
    Transport,
    /// No NOTIFY came within Timer N.
    NoNotify,
    /// It ran out before a refresh succeeded.
    Expired,
    /// The notifier ended it.
    Terminated(Reason),
}
