//! All dialogs of an endpoint: 2xx repeated until their ACK, sessions refreshed in time, ends told.

use super::sdp_of;
use super::session::{self, Refresher, SessionExpires};
use super::state::{Dialog, DialogId};
use crate::sip::transaction::{Ack, Outcome, T1, T2, TRANSACTION};
use crate::sip::{Headers, Method, Request, Response};
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// A refresh that crossed one of the peer's is tried again after so long (RFC 3261 section 14.1 has 2.1 to 4 s for the
/// owner of the Call-ID and less for the other; the number of the dialog spreads us over both).
const AFTER_GLARE: Duration = Duration::from_millis(2100);
/// Attempts to refresh before the session is left to its end.
const REFRESHES_MAX: u8 = 4;

/// Names a dialog of an endpoint; given by who establishes it, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogKey(pub u64);

/// Why a dialog is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The peer said BYE.
    Bye,
    /// We did, as asked.
    HungUp,
    /// Our 2xx was not acknowledged in 64*T1: BYE was sent.
    NoAck,
    /// Nobody refreshed the session in time (RFC 4028 section 10): BYE was sent.
    SessionExpired,
    /// A request of ours in it was not answered, or could not be sent.
    Transport,
    /// The peer answered that it knows no such dialog.
    Unknown,
    /// It never came to be: the INVITE was cancelled or given up before the 2xx, or is no INVITE that makes a dialog.
    NotEstablished,
}

/// A request in a dialog to be sent in a client transaction; its outcome goes to [`Dialogs::outcome`] unless it is BYE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogRequest<D> {
    pub dialog: DialogKey,
    /// Complete but for our Via.
    pub request: Request,
    pub branch: String,
    /// The URI of the next hop.
    pub hop: String,
    /// The way that established the dialog, if no proxy wants to be asked: over a connection it is taken again.
    pub way: Option<D>,
}

/// What [`Dialogs`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogEvent<D> {
    /// The ACK to our 2xx came.
    Confirmed(DialogKey),
    Ended(DialogKey, Cause),
    Send(DialogRequest<D>),
}

/// What happens to [`Dialogs`], besides what its other functions tell it.
#[derive(Clone, Debug)]
pub enum DialogInput {
    /// An ACK that no refusal waited for.
    Ack(Request),
    /// BYE, as soon as it may be sent: not before the ACK of our 2xx (RFC 3261 section 15).
    HangUp(DialogKey),
    /// The same for all.
    HangUpAll,
}

/// We answered an INVITE with a 2xx.
#[derive(Clone, Debug)]
pub struct Accepted<'a, D> {
    pub request: &'a Request,
    pub response: &'a Response,
    /// The response as printed.
    pub bytes: Bytes,
    /// Where the response went.
    pub way: D,
}

/// An INVITE of ours was answered with a 2xx.
#[derive(Clone, Debug)]
pub struct Established<'a, D> {
    pub request: &'a Request,
    pub response: &'a Response,
    /// Where the INVITE went.
    pub way: D,
}

/// A 2xx of ours that waits for its ACK.
#[derive(Debug)]
pub(super) struct Unacked<D> {
    pub(super) cseq: u32,
    bytes: Bytes,
    way: D,
    next: Timestamp,
    interval: Duration,
    until: Timestamp,
}

/// A refresh of ours under way.
#[derive(Debug)]
pub(super) struct Refreshing {
    pub(super) request: Request,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// The interval, seconds; 0 for a session without an end.
    secs: u32,
    min_se: Option<u32>,
    refresh_at: Option<Timestamp>,
    end_at: Option<Timestamp>,
    tries: u8,
}

#[derive(Debug)]
pub(super) struct Entry<D> {
    pub(super) dialog: Dialog,
    way: D,
    pub(super) unacked: Option<Unacked<D>>,
    /// BYE once the ACK is there.
    hang_up: bool,
    session: Session,
    pub(super) refreshing: Option<Refreshing>,
    /// The peer takes UPDATE.
    peer_updates: bool,
    /// Our session description, offered again in a refresh.
    pub(super) local: Option<Bytes>,
    /// The peer's.
    pub(super) remote: Option<Bytes>,
    scheduled: Option<Timestamp>,
}

/// All dialogs of an endpoint. How many there may be is for the caller to say, before it takes or makes a call.
#[derive(Debug)]
pub struct Dialogs<D> {
    /// `User-Agent` of requests and `Server` of answers.
    pub(super) release: String,
    /// Longest session we agree to, seconds.
    pub(super) session_secs: u32,
    pub(super) entries: HashMap<DialogKey, Entry<D>>,
    by_id: HashMap<DialogId, DialogKey>,
    due: BTreeSet<(Timestamp, DialogKey)>,
    transmits: VecDeque<(D, Bytes)>,
    pub(super) events: VecDeque<DialogEvent<D>>,
}

impl<D: Clone> Dialogs<D> {
    #[must_use]
    pub fn new(release: String, session_secs: u32) -> Self {
        Self {
            release,
            session_secs,
            entries: HashMap::new(),
            by_id: HashMap::new(),
            due: BTreeSet::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The dialog of a received request.
    #[must_use]
    pub fn find(&self, request: &Request) -> Option<DialogKey> {
        if self.by_id.is_empty() {
            return None;
        }
        self.by_id.get(&DialogId::of(request)?).copied()
    }

    /// Our 2xx established a dialog: it is repeated until its ACK comes. If it could not (no Contact), that is told as
    /// an end.
    pub fn accept(&mut self, key: DialogKey, accepted: Accepted<'_, D>, now: Timestamp) {
        let Accepted { request, response, bytes, way } = accepted;
        let Some(dialog) = Dialog::uas(request, response) else {
            return self.events.push_back(DialogEvent::Ended(key, Cause::NotEstablished));
        };
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        let mut entry = Entry::new(dialog, way.clone(), &request.headers);
        entry.local = description(&response.headers, &response.body);
        entry.remote = description(&request.headers, &request.body);
        entry.agree(&response.headers, Refresher::Uas, now);
        entry.unacked = Some(Unacked::new(cseq, bytes, way, now));
        self.insert(key, entry);
    }

    /// A 2xx to our INVITE established a dialog; the ACK it needs. `None` if the 2xx lacks what a dialog is made of.
    pub fn establish(&mut self, key: DialogKey, established: Established<'_, D>, now: Timestamp) -> Option<Ack> {
        let Established { request, response, way } = established;
        let dialog = Dialog::uac(request, response)?;
        let ack = ack(&dialog, request.cseq()?.0, &self.release);
        let mut entry = Entry::new(dialog, way, &response.headers);
        entry.local = description(&request.headers, &request.body);
        entry.remote = description(&response.headers, &response.body);
        entry.agree(&response.headers, Refresher::Uac, now);
        self.insert(key, entry);
        Some(ack)
    }

    /// A 2xx that nobody wants, of another fork or of a call taken back, is acknowledged and hung up (RFC 3261 section
    /// 13.2.2.4). Nothing is told of it.
    pub fn turn_away(&mut self, key: DialogKey, established: Established<'_, D>) -> Option<Ack> {
        let Established { request, response, way } = established;
        let mut dialog = Dialog::uac(request, response)?;
        let ack = ack(&dialog, request.cseq()?.0, &self.release);
        let bye = dialog.request(Method::Bye);
        self.send(key, &dialog, way, bye);
        Some(ack)
    }

    fn insert(&mut self, key: DialogKey, entry: Entry<D>) {
        self.by_id.insert(entry.dialog.id().clone(), key);
        self.entries.insert(key, entry);
        self.schedule(key);
    }

    /// Something came from below or above. `false` for an ACK that belongs to no dialog.
    pub fn handle_input(&mut self, input: DialogInput) -> bool {
        match input {
            DialogInput::Ack(ack) => return self.acknowledged(&ack),
            DialogInput::HangUp(key) => self.hang_up(key),
            DialogInput::HangUpAll => {
                let all: Vec<DialogKey> = self.entries.keys().copied().collect();
                for key in all {
                    self.hang_up(key);
                }
            }
        }
        true
    }

    fn acknowledged(&mut self, ack: &Request) -> bool {
        let Some(key) = self.find(ack) else { return false };
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        let cseq = ack.cseq().map(|(number, _)| number);
        if entry.unacked.as_ref().map(|unacked| unacked.cseq) != cseq || cseq.is_none() {
            return true; // The ACK to a repeated 2xx.
        }
        entry.unacked = None;
        self.events.push_back(DialogEvent::Confirmed(key));
        if entry.hang_up {
            self.say_bye(key, Cause::HungUp);
        } else {
            self.schedule(key);
        }
        true
    }

    fn hang_up(&mut self, key: DialogKey) {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.unacked.is_some() => entry.hang_up = true,
            Some(_) => self.say_bye(key, Cause::HungUp),
            None => {}
        }
    }

    fn say_bye(&mut self, key: DialogKey, cause: Cause) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let request = entry.dialog.request(Method::Bye);
        let (dialog, way) = (entry.dialog.clone(), entry.way.clone());
        self.send(key, &dialog, way, request);
        self.end(key, cause);
    }

    fn send(&mut self, key: DialogKey, dialog: &Dialog, way: D, mut request: Request) {
        request.headers.push("User-Agent", self.release.clone());
        let (branch, hop) = (dialog.branch(&request), dialog.hop());
        let way = dialog.is_direct().then_some(way);
        self.events.push_back(DialogEvent::Send(DialogRequest { dialog: key, request, branch, hop, way }));
    }

    pub(super) fn end(&mut self, key: DialogKey, cause: Cause) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if self.by_id.get(entry.dialog.id()) == Some(&key) {
            self.by_id.remove(entry.dialog.id());
        }
        if let Some(at) = entry.scheduled {
            self.due.remove(&(at, key));
        }
        self.events.push_back(DialogEvent::Ended(key, cause));
    }

    /// Time has passed; does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, key));
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.scheduled = None;
            }
            self.work(key, now);
            self.schedule(key);
        }
    }

    fn work(&mut self, key: DialogKey, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(unacked) = &mut entry.unacked {
            if now >= unacked.until {
                return self.say_bye(key, Cause::NoAck);
            }
            if now >= unacked.next {
                unacked.interval = (unacked.interval * 2).min(T2);
                unacked.next = now.after(unacked.interval);
                self.transmits.push_back((unacked.way.clone(), unacked.bytes.clone()));
            }
        }
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| now >= at);
        if is_due(entry.session.end_at) {
            self.say_bye(key, Cause::SessionExpired);
        } else if is_due(entry.session.refresh_at) && entry.unacked.is_none() && entry.refreshing.is_none() {
            self.refresh(key);
        }
    }

    /// Refreshes the session: by UPDATE where the peer takes it, else by an INVITE with the same description.
    fn refresh(&mut self, key: DialogKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.session.refresh_at = None;
        if entry.session.tries >= REFRESHES_MAX {
            return;
        }
        entry.session.tries += 1;
        let method = if entry.peer_updates { Method::Update } else { Method::Invite };
        let mut request = entry.dialog.request(method);
        session::offer_session(&mut request, entry.session.secs);
        if let Some(least) = entry.session.min_se {
            request.headers.set("Min-SE", least.to_string());
        }
        request.headers.push("Allow", crate::sip::allow(&super::ALLOWED));
        if let Some(local) = entry.local.clone().filter(|_| request.method == Method::Invite) {
            request.headers.push("Content-Type", "application/sdp");
            request.body = local;
        }
        entry.refreshing = Some(Refreshing { request: request.clone() });
        let (dialog, way) = (entry.dialog.clone(), entry.way.clone());
        self.send(key, &dialog, way, request);
    }

    /// How a refresh of ours ended; the ACK that a 2xx to a re-INVITE needs. What is no refresh of this dialog is ignored.
    pub fn outcome(&mut self, key: DialogKey, cseq: u32, outcome: &Outcome, now: Timestamp) -> Option<Ack> {
        let release = self.release.clone();
        let entry = self.entries.get_mut(&key)?;
        entry.refreshing.as_ref().filter(|r| r.request.cseq().is_some_and(|(number, _)| number == cseq))?;
        let refreshing = entry.refreshing.take()?;
        let mut acknowledgement = None;
        match outcome {
            Outcome::Response(response) => match response.status {
                200..300 => {
                    entry.dialog.refresh_target(&response.headers);
                    entry.session.tries = 0;
                    entry.agree(&response.headers, Refresher::Uac, now);
                    let is_invite = refreshing.request.method == Method::Invite;
                    acknowledgement = is_invite.then(|| ack(&entry.dialog, cseq, &release));
                }
                481 => self.end(key, Cause::Unknown),
                408 => self.say_bye(key, Cause::Transport),
                422 => {
                    let least = session::min_se(&response.headers);
                    entry.session.secs = entry.session.secs.max(least);
                    entry.session.min_se = Some(least);
                    self.refresh(key);
                }
                405 | 501 if refreshing.request.method == Method::Update => {
                    entry.peer_updates = false;
                    self.refresh(key);
                }
                491 => {
                    let spread = Duration::from_millis(key.0 % 10 * 190);
                    entry.session.refresh_at = Some(now.after(AFTER_GLARE + spread));
                }
                // The session goes on until its end (RFC 3261 section 14.1).
                _ => {}
            },
            Outcome::Timeout | Outcome::Transport => self.say_bye(key, Cause::Transport),
        }
        self.schedule(key);
        acknowledgement
    }

    pub(super) fn schedule(&mut self, key: DialogKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let wanted = entry.next();
        if entry.scheduled == wanted {
            return;
        }
        if let Some(old) = entry.scheduled {
            self.due.remove(&(old, key));
        }
        entry.scheduled = wanted;
        if let Some(at) = wanted {
            self.due.insert((at, key));
        }
    }

    /// What is to be sent again next.
    pub fn poll_transmit(&mut self) -> Option<(D, Bytes)> {
        self.transmits.pop_front()
    }

    /// What is to be told or sent next.
    pub fn poll_event(&mut self) -> Option<DialogEvent<D>> {
        self.events.pop_front()
    }

    /// When to call [`Dialogs::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl<D> Entry<D> {
    fn new(dialog: Dialog, way: D, peer: &Headers) -> Self {
        let mut allowed = peer.all("Allow").flat_map(|line| line.split(','));
        Self {
            dialog,
            way,
            unacked: None,
            hang_up: false,
            session: Session::default(),
            refreshing: None,
            peer_updates: allowed.any(|method| method.trim() == "UPDATE"),
            local: None,
            remote: None,
            scheduled: None,
        }
    }

    /// Starts the session timer anew as a 2xx says; `role` is ours in its transaction.
    pub(super) fn agree(&mut self, answer: &Headers, role: Refresher, now: Timestamp) {
        let Some(agreed) = SessionExpires::read(answer).filter(|agreed| agreed.secs > 0) else {
            (self.session.refresh_at, self.session.end_at) = (None, None);
            return;
        };
        self.session.secs = agreed.secs;
        self.session.end_at = Some(now.after(session::give_up_after(agreed.secs)));
        let ours = agreed.refresher.unwrap_or(Refresher::Uac) == role;
        self.session.refresh_at = ours.then(|| now.after(session::refresh_after(agreed.secs)));
    }

    fn next(&self) -> Option<Timestamp> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.next.min(unacked.until));
        let may_refresh = self.unacked.is_none() && self.refreshing.is_none();
        let refresh = self.session.refresh_at.filter(|_| may_refresh);
        [unacked, refresh, self.session.end_at].into_iter().flatten().min()
    }
}

impl<D> Unacked<D> {
    pub(super) fn new(cseq: u32, bytes: Bytes, way: D, now: Timestamp) -> Self {
        Self { cseq, bytes, way, next: now.after(T1), interval: T1, until: now.after(TRANSACTION) }
    }
}

fn ack(dialog: &Dialog, cseq: u32, release: &str) -> Ack {
    let mut request = dialog.ack(cseq);
    request.headers.push("User-Agent", release.to_owned());
    let (branch, hop) = (dialog.branch(&request), dialog.hop());
    Ack { request, branch, hop }
}

fn description(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    sdp_of(headers.get("Content-Type"), body)
}
