//! The machine of one subscription: when to subscribe, refresh, pause and leave.

use super::dialog::Dialog;
use super::state::{Reason, SubscriptionState};
use super::{Cause, Event, Input, PAUSE_MAX, PAUSE_MIN, Plan, Transmit};
use crate::sip::transaction::{Outcome, TRANSACTION};
use crate::sip::{Method, Request, Response, delta_seconds, param};
use crate::types::{Digest, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// A Retry-After or Min-Expires beyond this is nobody's honest wish.
const WISH_MAX_SECS: u32 = 30 * 86_400;
/// With more than twice this left, a subscription is refreshed so long before its end (as TS 24.229 has it), else at half.
const MARGIN_SECS: u32 = 600;

/// Keeps one resource subscribed.
pub struct Subscription {
    plan: Plan,
    /// What is asked for: more than the plan says after a 423.
    asked_secs: u32,
    /// What the answer to the last SUBSCRIBE granted.
    granted_secs: Option<u32>,
    phase: Phase,
    dialog: Dialog,
    cseq: u32,
    /// Attempts at a subscription so far: each has names of its own.
    attempts: u32,
    /// The SUBSCRIBE that has not ended yet.
    in_flight: Option<u32>,
    /// A refresh is wanted as soon as nothing is in flight.
    refresh_wanted: bool,
    leaving: bool,
    /// The SUBSCRIBE that leaves has been sent.
    left: bool,
    /// Timer N (section 4.1.2): a NOTIFY must have come by then.
    notify_by: Option<Timestamp>,
    /// Losses and refusals in a row.
    failures: u32,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not subscribed, until then.
    Paused(Timestamp),
    /// The first SUBSCRIBE is out; no NOTIFY yet.
    Waiting,
    /// There is a dialog.
    Subscribed {
        since: Timestamp,
        refresh_at: Timestamp,
        expires_at: Timestamp,
    },
    Ended,
}

/// When to try again after a loss.
#[derive(Clone, Copy)]
enum Again {
    /// At once, unless that was tried just before.
    AtOnce,
    /// After a pause that doubles, or so many seconds if that is longer.
    Later(Option<u32>),
    /// Only time will not change it.
    MuchLater,
}

impl Subscription {
    /// Subscribes at once.
    #[must_use]
    pub fn new(plan: Plan, now: Timestamp) -> Self {
        let dialog = Dialog::new(String::new(), String::new(), "", &[]);
        let mut subscription = Self {
            asked_secs: plan.expires_secs,
            granted_secs: None,
            plan,
            phase: Phase::Paused(now),
            dialog,
            cseq: 0,
            attempts: 0,
            in_flight: None,
            refresh_wanted: false,
            leaving: false,
            left: false,
            notify_by: None,
            failures: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        };
        subscription.subscribe(now);
        subscription
    }

    /// The Call-ID that NOTIFYs have now; another one after every new attempt.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }

    /// Whether a NOTIFY has come and the subscription has not ended since.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        matches!(self.phase, Phase::Subscribed { .. })
    }

    /// Something came from below, or is wanted from above.
    pub fn handle_input(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Outcome { cseq, outcome } if self.in_flight == Some(cseq) => self.ended(outcome, now),
            // Of an attempt that is over.
            Input::Outcome { .. } => {}
            Input::Notify(request) => self.notify(request, now),
            Input::Refresh => self.refresh_now(now),
            Input::Unsubscribe => self.leave(now),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.notify_by.is_some_and(|by| by <= now) {
            return self.lose(Cause::NoNotify, Again::Later(None), now);
        }
        match self.phase {
            Phase::Paused(at) if at <= now => self.subscribe(now),
            Phase::Subscribed { expires_at, .. } if expires_at <= now => self.lose(Cause::Expired, Again::AtOnce, now),
            Phase::Subscribed { refresh_at, .. } if refresh_at <= now && self.in_flight.is_none() => self.refresh(now),
            _ => {}
        }
    }

    /// What is to be sent next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What is to be told next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Subscription::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let own = match self.phase {
            Phase::Paused(at) => Some(at),
            Phase::Subscribed { refresh_at, expires_at, .. } if self.in_flight.is_none() && !self.leaving => {
                Some(refresh_at.min(expires_at))
            }
            Phase::Subscribed { expires_at, .. } => Some(expires_at),
            Phase::Waiting | Phase::Ended => None,
        };
        own.into_iter().chain(self.notify_by).min()
    }

    /// A new attempt: unrelated to the one before (section 4.1.2.1), so with names of its own.
    fn subscribe(&mut self, now: Timestamp) {
        self.attempts += 1;
        let call_id = format!("{}@{}", self.name("call-id"), self.plan.host);
        self.dialog = Dialog::new(call_id, self.name("tag"), &self.plan.resource, &self.plan.route);
        self.phase = Phase::Waiting;
        self.send(self.asked_secs, now);
    }

    fn refresh(&mut self, now: Timestamp) {
        self.refresh_wanted = false;
        self.send(self.asked_secs, now);
    }

    fn send(&mut self, expires_secs: u32, now: Timestamp) {
        self.cseq += 1;
        let (mut request, hop) =
            self.dialog.request(&Method::Subscribe, self.cseq, &self.plan.local, &self.plan.resource);
        let headers = &mut request.headers;
        headers.push("Contact", format!("<{}>", self.plan.contact));
        for header in &self.plan.headers {
            headers.push(header.name.clone(), header.value.clone());
        }
        headers.push("Event", self.plan.event);
        headers.push("Accept", self.plan.accept);
        headers.push("Expires", expires_secs.to_string());
        self.in_flight = Some(self.cseq);
        self.granted_secs = None;
        self.notify_by = Some(now.after(TRANSACTION));
        self.transmits.push_back(Transmit { cseq: self.cseq, request, hop });
    }

    /// 32 hexadecimal digits that only this attempt has.
    fn name(&self, of: &str) -> String {
        let digest = Digest::of(&[&self.plan.seed[..], of.as_bytes(), &self.attempts.to_be_bytes()].concat());
        let mut name = digest.to_string();
        name.truncate(32);
        name
    }

    fn ended(&mut self, outcome: &Outcome, now: Timestamp) {
        self.in_flight = None;
        match outcome {
            Outcome::Response(response) if response.status < 300 => self.accepted(response, now),
            _ if self.leaving && (self.left || !self.is_subscribed()) => self.finish(Cause::Unsubscribed),
            // A refresh failed that nobody needs any more.
            _ if self.leaving => {}
            Outcome::Response(response) => self.refused(response, now),
            Outcome::Timeout => self.failed(Cause::Timeout, None, now),
            Outcome::Transport => self.failed(Cause::Transport, None, now),
        }
        self.go_on(now);
    }

    /// What waited for the SUBSCRIBE in flight.
    fn go_on(&mut self, now: Timestamp) {
        if self.in_flight.is_some() || !self.is_subscribed() {
            return;
        }
        if self.leaving {
            if !std::mem::replace(&mut self.left, true) {
                self.send(0, now);
            }
        } else if self.refresh_wanted {
            self.refresh(now);
        }
    }

    fn accepted(&mut self, response: &Response, now: Timestamp) {
        if response.status == 204 {
            // RFC 5839: no NOTIFY will follow.
            self.notify_by = None;
        }
        if self.leaving {
            // The last NOTIFY ends it.
            if self.left && response.status == 204 {
                self.finish(Cause::Unsubscribed);
            }
            return;
        }
        let asked = self.asked_secs;
        let granted = response.headers.get("Expires").and_then(delta_seconds).unwrap_or(asked);
        self.granted_secs = Some(granted);
        let Phase::Subscribed { since, expires_at, .. } = self.phase else { return };
        if since.after(TRANSACTION) <= now {
            self.failures = 0;
        }
        // A NOTIFY that came first has said it already, perhaps shorter.
        let told = self.notify_by.is_none() && response.status != 204;
        let left = u32::try_from(expires_at.since(now).as_secs()).unwrap_or(u32::MAX);
        self.live(since, if told { granted.min(left) } else { granted }, now);
    }

    /// The subscription lives for so long from now on.
    fn live(&mut self, since: Timestamp, secs: u32, now: Timestamp) {
        let before = if secs > 2 * MARGIN_SECS { secs - MARGIN_SECS } else { secs / 2 };
        self.phase = Phase::Subscribed { since, refresh_at: later(now, before), expires_at: later(now, secs) };
    }

    fn refused(&mut self, response: &Response, now: Timestamp) {
        let cause = Cause::Status(response.status);
        let retry_after = response.headers.get("Retry-After").and_then(leading_seconds);
        let min_expires = response.headers.get("Min-Expires").and_then(delta_seconds);
        let dialog_over = matches!(response.status, 404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604);
        match response.status {
            423 if min_expires.is_some_and(|min| min > self.asked_secs && min <= WISH_MAX_SECS) => {
                self.asked_secs = min_expires.unwrap_or(self.asked_secs);
                self.send(self.asked_secs, now);
            }
            // The notifier has forgotten us: an unrelated subscription takes its place (section 4.1.2.2).
            481 if self.is_subscribed() => self.lose(cause, Again::AtOnce, now),
            // Other refusals of a refresh leave the subscription as long as it was granted.
            _ if self.is_subscribed() && !dialog_over => self.failed(cause, retry_after, now),
            408 | 430 | 480 | 481 | 486 | 500.. => self.lose(cause, Again::Later(retry_after), now),
            _ => self.lose(cause, Again::MuchLater, now),
        }
    }

    /// A SUBSCRIBE came to nothing; a subscription that there is lives on, and is refreshed after a pause.
    fn failed(&mut self, cause: Cause, retry_after_secs: Option<u32>, now: Timestamp) {
        let Phase::Subscribed { since, expires_at, .. } = self.phase else {
            return self.lose(cause, Again::Later(retry_after_secs), now);
        };
        // Nothing was processed, so no NOTIFY need follow.
        self.notify_by = None;
        let refresh_at = now.after(self.pause(retry_after_secs));
        self.phase = Phase::Subscribed { since, refresh_at, expires_at };
    }

    fn refresh_now(&mut self, now: Timestamp) {
        match self.phase {
            _ if self.leaving => {}
            Phase::Subscribed { .. } if self.in_flight.is_some() => self.refresh_wanted = true,
            Phase::Subscribed { .. } => self.refresh(now),
            // Whoever asks knows of something new at the far end.
            Phase::Paused(_) => self.subscribe(now),
            Phase::Waiting | Phase::Ended => {}
        }
    }

    fn leave(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.leaving, true) {
            return;
        }
        match self.phase {
            Phase::Paused(_) => self.finish(Cause::Unsubscribed),
            Phase::Subscribed { .. } => self.go_on(now),
            // Only a NOTIFY makes the dialog in which to leave.
            Phase::Waiting | Phase::Ended => {}
        }
    }

    fn notify(&mut self, request: &Request, now: Timestamp) {
        match self.check(request) {
            Ok(state) => {
                self.dialog.accept(request);
                self.notify_by = None;
                self.events.push_back(Event::Notified);
                self.told(state, now);
            }
            Err(status) => self.events.push_back(Event::Refused(status)),
        }
    }

    fn check(&self, request: &Request) -> Result<SubscriptionState, u16> {
        if !matches!(self.phase, Phase::Waiting | Phase::Subscribed { .. }) {
            return Err(481);
        }
        // Whose it is comes first: a stranger learns nothing of what we take.
        let fits = self.dialog.check(request);
        fits.or_else(|status| if status == 481 { Err(status) } else { Ok(()) })?;
        let event = request.headers.get("Event").unwrap_or_default();
        let (package, params) = event.split_at(event.find(';').unwrap_or(event.len()));
        if param::trim(package) != self.plan.event {
            return Err(489);
        }
        // We never give an id, so one is of another subscription.
        if param::Params::new(params).filter_map(Result::ok).any(|(name, _)| name.eq_ignore_ascii_case("id")) {
            return Err(481);
        }
        fits?;
        request.headers.get("Subscription-State").and_then(SubscriptionState::parse).ok_or(400)
    }

    fn told(&mut self, state: SubscriptionState, now: Timestamp) {
        match state {
            SubscriptionState::Lives { expires_secs } => {
                match (self.phase, expires_secs) {
                    (Phase::Subscribed { since, .. }, Some(secs)) => self.live(since, secs, now),
                    (Phase::Subscribed { .. }, None) => {}
                    (_, secs) => {
                        let said = secs.or(self.granted_secs).unwrap_or(self.asked_secs);
                        self.live(now, said, now);
                    }
                }
                self.go_on(now);
            }
            SubscriptionState::Terminated { .. } if self.leaving => self.finish(Cause::Unsubscribed),
            SubscriptionState::Terminated { reason, retry_after_secs } => {
                let cause = Cause::Terminated(reason);
                match reason {
                    Reason::Deactivated | Reason::Timeout => self.lose(cause, Again::AtOnce, now),
                    Reason::Probation | Reason::GiveUp | Reason::Other => {
                        self.lose(cause, Again::Later(retry_after_secs), now);
                    }
                    Reason::Rejected => self.lose(cause, Again::MuchLater, now),
                    Reason::NoResource | Reason::Invariant => self.finish(cause),
                }
            }
        }
    }

    /// There is no subscription; when to try again.
    fn lose(&mut self, cause: Cause, again: Again, now: Timestamp) {
        if self.leaving {
            return self.finish(Cause::Unsubscribed);
        }
        if let Phase::Subscribed { since, .. } = self.phase
            && since.after(TRANSACTION) <= now
        {
            self.failures = 0;
        }
        self.drop_dialog();
        let pause = match again {
            Again::AtOnce if self.failures == 0 => {
                self.failures = 1;
                return self.subscribe(now);
            }
            Again::AtOnce => self.pause(None),
            Again::Later(retry_after_secs) => self.pause(retry_after_secs),
            Again::MuchLater => PAUSE_MAX,
        };
        self.phase = Phase::Paused(now.after(pause));
        self.events.push_back(Event::Down(cause));
    }

    fn finish(&mut self, cause: Cause) {
        self.drop_dialog();
        self.phase = Phase::Ended;
        self.events.push_back(Event::Ended(cause));
    }

    fn drop_dialog(&mut self) {
        self.in_flight = None;
        self.refresh_wanted = false;
        self.notify_by = None;
    }

    /// One more failure: how long to wait. Those who were lost together come back a little apart.
    fn pause(&mut self, retry_after_secs: Option<u32>) -> Duration {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let apart = doubled.mul_f64(f64::from(self.plan.seed[0]) / 2560.0);
        let wished = Duration::from_secs(retry_after_secs.unwrap_or_default().min(WISH_MAX_SECS).into());
        doubled.max(wished) + apart
    }
}

fn later(now: Timestamp, secs: u32) -> Timestamp {
    now.after(Duration::from_secs(secs.into()))
}

/// RFC 3261 section 20.33: seconds, perhaps with a comment or parameters behind them.
fn leading_seconds(value: &str) -> Option<u32> {
    let value = param::trim(value);
    delta_seconds(value.split(|c: char| !c.is_ascii_digit()).next()?)
}
