//! Registrations told by the S-CSCF's reg event (RFC 3680, WX-4): whom to subscribe to, and what a NOTIFY says.

use super::send::target;
use super::{RealmSettings, Settings, reply, tags, trust};
use crate::config::{Registrations, Transport};
use crate::formats::Limits;
use crate::formats::reginfo::{self, Contact, ContactEvent, Reginfo, Registration, RegistrationState};
use crate::net::Target;
use crate::queue::command::Binding;
use crate::queue::event::{Client, Gone, Source};
use crate::sip::subscription::Plan;
use crate::sip::transaction::TRANSACTION;
use crate::sip::{Headers, Request, Response, Uri, media_type};
use crate::types::{Address, ClientId, Timestamp, UserKey};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The event package.
const PACKAGE: &str = "reg";
const REGINFO: &str = "application/reginfo+xml";
/// Life of a contact if neither the document nor a REGISTER says it.
const LIFE: Duration = Duration::from_hours(1);
/// No contact lives longer without being told of again.
const LIFE_MAX: Duration = Duration::from_hours(30 * 24);
/// Contacts of one user whose names are remembered, so that one that ends may be told without its instance.
const CONTACTS_MAX: usize = 256;

/// What a registration asks of the subscriptions.
#[derive(Debug)]
pub enum Order {
    /// A third-party REGISTER told that the user is registered: subscribe, or have the whole state told again.
    Follow(Box<Interest>),
    /// A user with registered clients has woken: subscribe, if there is no subscription.
    Resume(Box<Interest>),
    /// The user is registered no more.
    Leave(UserKey),
}

/// Whose registrations are to be followed.
pub struct Interest {
    pub user: Address,
    pub realm: Arc<RealmSettings>,
    /// The user's URI as the S-CSCF writes it.
    pub resource: String,
    /// The S-CSCF, as a URI.
    pub hop: String,
    /// When the registration ends, as far as is known.
    pub until: Timestamp,
    /// Who stands for all clients while the S-CSCF does not tell them.
    pub nameless: Option<Client>,
}

/// The user is shown by their key.
impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest").field("user", &self.user).field("until", &self.until).finish_non_exhaustive()
    }
}

/// The interest in a user who has woken: in a realm that follows the reg event, if the network told of clients that are
/// still registered.
#[must_use]
pub fn resumed<'a>(
    user: &Address,
    realm: &Arc<RealmSettings>,
    clients: impl Iterator<Item = &'a Client>,
    now: Timestamp,
) -> Option<Interest> {
    if realm.registrations != Registrations::RegEvent {
        return None;
    }
    let live = clients.filter(|client| client.source == Source::Network && client.expires_at > now);
    let last = live.max_by_key(|client| client.expires_at)?;
    Some(Interest {
        user: user.clone(),
        realm: Arc::clone(realm),
        resource: user.to_string(),
        hop: last.route.first()?.clone(),
        until: last.expires_at,
        nameless: None,
    })
}

/// How to subscribe (TS 24.229 section 5.7.1.1): as ourselves, through the realm's next hop, else at the S-CSCF that
/// registered the user. `None` if neither is a URI. `seed` must be fresh random bits.
#[must_use]
pub fn plan(settings: &Settings, interest: &Interest, seed: [u8; 16]) -> Option<Plan> {
    let hop = match &interest.realm.next_hop {
        Some(hop) => hop.clone(),
        None => Uri::parse(&interest.hop).ok()?,
    };
    let transport = target(&hop, None).transport.unwrap_or(Transport::Udp);
    let mut headers = Headers::new();
    headers.push("P-Asserted-Identity", settings.identity());
    headers.push("User-Agent", settings.release.clone());
    Some(Plan {
        event: PACKAGE,
        accept: REGINFO,
        resource: interest.resource.clone(),
        local: format!("sip:{}", settings.host),
        contact: settings.contact(transport),
        route: vec![hop.to_string()],
        host: settings.host.clone(),
        expires_secs: settings.subscription_secs,
        headers,
        seed,
    })
}

/// Where a SUBSCRIBE goes.
#[must_use]
pub fn next_hop(uri: &str) -> Option<Target> {
    Uri::parse(uri).ok().map(|uri| target(&uri, None))
}

/// What can be said of a NOTIFY without knowing the subscriptions (RFC 6665 section 4.1.3).
///
/// # Errors
/// 403 if it is from outside the trust domain, 489 if it is of another event package.
pub(super) fn inspect(settings: &Settings, request: &Request, peer: std::net::IpAddr) -> Result<(), Response> {
    if !trust::is_trusted(settings, peer) {
        return Err(reply::plain(settings, request, 403));
    }
    let event = request.headers.get("Event").unwrap_or_default();
    if event.split(';').next().unwrap_or_default().trim() != PACKAGE {
        return Err(refusal(settings, request, 489));
    }
    Ok(())
}

/// The answer to a NOTIFY that is not taken, or has nothing to be stored.
#[must_use]
pub fn refusal(settings: &Settings, request: &Request, status: u16) -> Response {
    let mut response = reply::plain(settings, request, status);
    match status {
        489 => response.headers.push("Allow-Events", PACKAGE),
        415 => response.headers.push("Accept", REGINFO),
        _ => {}
    }
    response
}

/// What one subscription has told so far.
#[derive(Default)]
pub struct Told {
    /// The dialog: another one counts versions anew.
    call_id: String,
    version: Option<u64>,
    /// Which client a contact's id names.
    contacts: BTreeMap<String, ClientId>,
    /// When the whole state was asked for.
    asked_at: Option<Timestamp>,
}

/// What a NOTIFY says.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing new.
    Nothing,
    /// These registrations came or went.
    Changes(Vec<Binding>),
    /// Something before it is missing: the whole state must be asked for (RFC 3680 section 5.1).
    Gap,
    /// Its body cannot be read; the status to answer.
    Unreadable(u16),
}

impl Told {
    /// Reads a NOTIFY that the subscription took.
    #[must_use]
    pub fn read(&mut self, interest: &Interest, notify: &Request, now: Timestamp) -> Reading {
        let state = notify.headers.get("Subscription-State").unwrap_or_default();
        // Who waits for permission is told nothing true (RFC 3680 section 4.7.1).
        let pending = state.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("pending");
        if pending || notify.body.is_empty() {
            return Reading::Nothing;
        }
        if notify.headers.get("Content-Type").map(media_type).as_deref() != Some(REGINFO) {
            return Reading::Unreadable(415);
        }
        let Ok(info) = reginfo::read(&notify.body, &Limits::default()) else { return Reading::Unreadable(400) };
        let call_id = notify.call_id().unwrap_or_default();
        if self.call_id != call_id {
            *self = Self { call_id: call_id.to_owned(), ..Self::default() };
        }
        if self.version.is_some_and(|known| info.version <= known) {
            return Reading::Nothing;
        }
        if !info.full && self.version.is_none_or(|known| info.version != known.saturating_add(1)) {
            return self.gap(now);
        }
        self.version = Some(info.version);
        self.asked_at = None;
        Reading::Changes(self.changes(interest, &info, notify, now))
    }

    /// Asked once, and again if it did not help: never as fast as the answers come.
    fn gap(&mut self, now: Timestamp) -> Reading {
        if self.asked_at.is_some_and(|asked| now < asked.after(TRANSACTION)) {
            return Reading::Nothing;
        }
        self.asked_at = Some(now);
        Reading::Gap
    }

    /// Endings first, so that whoever comes finds room; nobody both ends and comes, which would look like an edge.
    fn changes(&mut self, interest: &Interest, info: &Reginfo, notify: &Request, now: Timestamp) -> Vec<Binding> {
        let own = info.registrations.iter().filter(|registration| interest.is_of(&registration.aor));
        let own: Vec<&Registration> = own.collect();
        let before = self.contacts.clone();
        if info.full {
            self.contacts.clear();
        }
        let (mut bound, mut ended): (Vec<Client>, Vec<(ClientId, Gone)>) = (Vec::new(), Vec::new());
        for registration in &own {
            for contact in &registration.contacts {
                let id = client_id(contact, &before);
                if registration.state == RegistrationState::Terminated || !contact.active || contact.expires == Some(0)
                {
                    self.contacts.remove(&contact.id);
                    ended.push((id, cause(contact)));
                } else {
                    if self.contacts.len() < CONTACTS_MAX {
                        self.contacts.insert(contact.id.clone(), id.clone());
                    }
                    bound.push(client(interest, contact, id, notify, now));
                }
            }
        }
        ended.retain(|(id, _)| !bound.iter().any(|client| client.id == *id));
        let mut changes: Vec<Binding> =
            ended.into_iter().map(|(client, cause)| Binding::End { client, cause }).collect();
        let over = !own.is_empty() && own.iter().all(|known| known.state == RegistrationState::Terminated);
        if info.full || over {
            let keep = bound.iter().map(|client| client.id.clone()).collect();
            changes.push(Binding::RemoveOthers { keep, cause: Gone::Network });
        }
        changes.extend(bound.into_iter().map(Binding::Bind));
        changes
    }
}

impl Interest {
    /// Whether an address of record is the user's; the document may tell their whole implicit set.
    fn is_of(&self, aor: &str) -> bool {
        let Ok(address) = Address::parse(aor) else { return false };
        let address = if address.host().is_empty() { address.in_realm(&self.realm.name) } else { address };
        address == self.user
    }
}

/// A client is its instance, else whom the contact's id named before, else its URI.
fn client_id(contact: &Contact, known: &BTreeMap<String, ClientId>) -> ClientId {
    let instance = contact.param("+sip.instance").map(|instance| ClientId(instance.to_owned()));
    instance.or_else(|| known.get(&contact.id).cloned()).unwrap_or_else(|| ClientId(contact.uri.clone()))
}

const fn cause(contact: &Contact) -> Gone {
    match contact.event {
        ContactEvent::Expired => Gone::Expired,
        ContactEvent::Unregistered => Gone::Explicit,
        _ => Gone::Network,
    }
}

fn client(interest: &Interest, contact: &Contact, id: ClientId, notify: &Request, now: Timestamp) -> Client {
    let params: Vec<(String, Option<String>)> =
        contact.params.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    let granted = interest.until.since(now);
    let granted = if granted.is_zero() { LIFE } else { granted };
    let life = contact.expires.map_or(granted, Duration::from_secs).min(LIFE_MAX);
    Client {
        id,
        instance: contact.param("+sip.instance").map(str::to_owned),
        contact: contact.uri.clone(),
        tags: tags::feature_tags(&params),
        source: Source::Network,
        route: vec![interest.hop.clone()],
        flow: None,
        // The subscription puts what it tells in order, whatever order the clients' own REGISTERs had.
        call_id: notify.call_id().unwrap_or_default().to_owned(),
        cseq: notify.cseq().map_or(0, |(number, _)| number),
        registered_at: now,
        expires_at: now.after(life),
    }
}
