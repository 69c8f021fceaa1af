//! More words for stories: management, errands and how they end, preferences.

use super::story::*;
use crate::formats::{Limits, Origin, Profile, Ruleset, UserProfile};
use crate::queue::command::{Command, ErrandEnded, Failed, Item, Manage, Success};
use crate::queue::decide::Rules;
use crate::queue::effect::{Effect, Perform, Reply};
use crate::queue::event::{
    Action, Channel, DisposalPostponed, Disposition, DispositionOwed, DispositionSent, ErrandBegun, ErrandFailed,
    ErrandFailure, ErrandId, ErrandKind, Event, HistoryAwaited, HistoryRecorded, HistoryWithdrawn, Location,
    ManagementRequested, MessageDeleted, MessageInterworked, MessageStored, NotificationPlanned, NotificationSent,
    PreferencesChanged, PreferencesMissed, StandIn, StoreCause, Transaction,
};
use crate::queue::question::{Disposal, Handling, Hook, Notification, NotificationCause, Question, Verdict};
use crate::queue::{Errand, Stage};
use crate::types::ClientId;

// Messages.

/// A message whose sender asked for these disposition notifications.
pub fn asking<const N: usize>(name: &str, kinds: [&str; N]) -> Message {
    let mut message = message(name);
    if let Some(imdn) = &mut message.defer.envelope.imdn {
        imdn.dispositions = kinds.map(str::to_owned).to_vec();
    }
    message
}

// Events.

pub fn to_manage(name: &str) -> Event {
    handled(name, native(Handling::Manage))
}

pub fn in_band(client: &str) -> Channel {
    Channel::InBand(phone(client))
}

pub const OUT: Channel = Channel::OutOfBand;

/// That these are told of it, at once, as the native rule has it.
pub fn told<const N: usize>(name: &str, cause: NotificationCause, channels: [Channel; N]) -> Event {
    told_at(0, name, cause, channels)
}

/// The same when the story is so many seconds old.
pub fn told_at<const N: usize>(secs: u64, name: &str, cause: NotificationCause, channels: [Channel; N]) -> Event {
    let in_band = channels.iter().any(|channel| *channel != Channel::OutOfBand);
    let out_of_band = channels.contains(&Channel::OutOfBand);
    let ruling = native(Notification { in_band, out_of_band, at: None });
    let channels = channels.to_vec();
    Event::NotificationPlanned(NotificationPlanned { message: id(name), cause, ruling, channels, at: at(secs) })
}

/// A try of an errand about a message; its names are made up.
pub fn begun(errand: ErrandId, kind: ErrandKind, name: &str) -> Event {
    let transaction = Transaction::named("");
    Event::ErrandBegun(ErrandBegun { errand, kind, message: Some(id(name)), transaction })
}

/// A list of what waits is about to be told.
pub fn begun_to_tell(errand: ErrandId) -> Event {
    let transaction = Transaction::named("");
    Event::ErrandBegun(ErrandBegun { errand, kind: ErrandKind::Notify, message: None, transaction })
}

pub fn errand_failed(
    errand: ErrandId,
    kind: ErrandKind,
    name: &str,
    failure: ErrandFailure,
    retry: Option<u64>,
) -> Event {
    let message = Some(id(name));
    Event::ErrandFailed(ErrandFailed { errand, kind, message, failure, retry: retry.map(at) })
}

/// As [`errand_failed`], of a list of what waits.
pub fn telling_failed(errand: ErrandId, failure: ErrandFailure, retry: Option<u64>) -> Event {
    let (kind, message) = (ErrandKind::Notify, None);
    Event::ErrandFailed(ErrandFailed { errand, kind, message, failure, retry: retry.map(at) })
}

pub fn notified(errand: ErrandId, channel: Channel, again: Option<u64>) -> Event {
    Event::NotificationSent(NotificationSent { errand, channel, again_at: again.map(at) })
}

pub fn requested<const N: usize>(client: Option<&str>, items: [(&str, Action); N]) -> Event {
    let items = items.map(|(name, action)| (id(name), action)).to_vec();
    Event::ManagementRequested(ManagementRequested { client: client.map(phone), items })
}

pub fn deleted(name: &str) -> Event {
    Event::MessageDeleted(MessageDeleted { message: id(name) })
}

pub fn interworked(errand: ErrandId, name: &str, status: u16) -> Event {
    Event::MessageInterworked(MessageInterworked { errand, message: id(name), status })
}

pub fn stored(errand: ErrandId, name: &str, cause: StoreCause) -> Event {
    Event::MessageStored(MessageStored { errand, message: id(name), location: place(), cause })
}

pub fn owed(name: &str, disposition: Disposition) -> Event {
    Event::DispositionOwed(DispositionOwed { message: id(name), disposition })
}

pub fn reported(errand: ErrandId, name: &str, disposition: Disposition, status: u16) -> Event {
    Event::DispositionSent(DispositionSent { errand, message: id(name), disposition, status })
}

pub fn recording(name: &str) -> Event {
    Event::HistoryAwaited(HistoryAwaited { message: id(name) })
}

pub fn recorded(errand: ErrandId, name: &str) -> Event {
    Event::HistoryRecorded(HistoryRecorded { errand, message: id(name), location: place() })
}

pub fn withdrawn(errand: ErrandId, name: &str) -> Event {
    Event::HistoryWithdrawn(HistoryWithdrawn { errand, message: id(name) })
}

pub fn postponed(name: &str, secs: u64) -> Event {
    Event::DisposalPostponed(DisposalPostponed { message: id(name), until: at(secs) })
}

pub fn missed(name: &str, decision: Hook, stand_in: StandIn) -> Event {
    Event::PreferencesMissed(PreferencesMissed { message: id(name), decision, stand_in })
}

pub const CHANGED: Event = Event::PreferencesChanged(PreferencesChanged {});

/// Where the store of these stories puts everything.
pub fn place() -> Location {
    Location { folder: "f81d4fae".to_owned(), uidvalidity: 3, uid: 42 }
}

// Commands.

fn request<const N: usize>(client: &str, list: Option<[(&str, Action); N]>) -> Manage {
    let item = |(name, action)| Item { message: id(name), action };
    Manage { client: phone(client), list: list.map(|list| list.map(item).to_vec()) }
}

pub fn manage<const N: usize>(client: &str, list: [(&str, Action); N]) -> Act {
    act(Command::Manage(request(client, Some(list))))
}

/// A management request without a list.
pub fn manage_all(client: &str) -> Act {
    act(Command::Manage(request::<0>(client, None)))
}

pub fn inquire<const N: usize>(client: &str, list: [(&str, Action); N]) -> Act {
    act(Command::Inquire(request(client, Some(list))))
}

pub fn inquire_all(client: &str) -> Act {
    act(Command::Inquire(request::<0>(client, None)))
}

pub fn preferences_changed() -> Act {
    act(Command::PreferencesChanged)
}

// Effects.

/// An errand is tried.
pub fn performs(errand: ErrandId) -> Effect {
    Effect::Perform(Perform { errand, transaction: Transaction::named("") })
}

pub const MANAGED: Effect = Effect::Reply(Reply::Managed);
pub const NOTHING: Effect = Effect::Reply(Reply::NothingToManage);

// Judges.

pub fn stores(question: &Question) -> Option<Verdict> {
    (question.hook() == Hook::Expiry).then_some(Verdict::Expiry(Disposal::Store))
}

/// An ISF is there.
pub fn with_isf(rules: &mut Rules) {
    rules.errands.has_isf = true;
}

impl Story {
    /// The user's preferences are these from now on.
    pub fn prefers(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The tries of errands that the last command began or resumed.
    pub fn performs(&self) -> Vec<Perform> {
        let performs = self.run.decision.effects.iter().filter_map(|effect| match effect {
            Effect::Perform(perform) => Some(perform.clone()),
            Effect::Reply(_) | Effect::Send(_) => None,
        });
        performs.collect()
    }

    fn errand(&self, id: ErrandId) -> &Errand {
        self.queue.errand(id).expect("an errand of this number")
    }

    /// The open try of this errand ends so.
    pub fn ends(self, errand: ErrandId, result: Result<Success, Failed>) -> Self {
        let Stage::Open { transaction, .. } = &self.errand(errand).stage else { panic!("no try is open") };
        let call_id = transaction.call_id.clone();
        self.when(act(Command::ErrandEnded(ErrandEnded { errand, call_id, result })))
    }

    pub fn succeeds(self, errand: ErrandId) -> Self {
        self.ends(errand, Ok(Success::Response(202)))
    }

    /// The message store has it.
    pub fn gets_stored(self, errand: ErrandId) -> Self {
        self.ends(errand, Ok(Success::Stored(place())))
    }

    pub fn fails(self, errand: ErrandId, failure: ErrandFailure) -> Self {
        self.ends(errand, Err(Failed { failure, retry_after_secs: None }))
    }

    /// The last events, names of transactions apart.
    pub fn events(&self) -> Vec<Event> {
        self.run.decision.events.iter().cloned().map(unnamed).collect()
    }

    /// Which errands there are.
    pub fn errands(&self) -> Vec<(ErrandId, ErrandKind)> {
        self.queue.errands().map(|errand| (errand.id, errand.task.kind())).collect()
    }

    /// Who asked for a message.
    pub fn requester(&self, name: &str) -> Option<ClientId> {
        self.queue.message(&id(name)).and_then(|entry| entry.requested.clone())
    }
}

// Preferences.

/// The profile of these rules: what stands in the actions of one that is about deferred messages.
pub fn rules_say(actions: &str) -> Profile {
    let conditions =
        "<service-list><service enabler=\"CPM\"/></service-list><media-list><deferred-messages/></media-list>";
    let rule = format!("<rule id=\"a\"><conditions>{conditions}</conditions><actions>{actions}</actions></rule>");
    let document = format!("<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\">{rule}</ruleset>");
    let rules = Ruleset::read(document.as_bytes(), &Limits::default()).expect("a ruleset");
    Profile { rules: Some(rules), user: None, origin: Origin::Document }
}

/// A rule without `allow-push`: manage (DEF-6b).
pub fn managing() -> Profile {
    rules_say("")
}

pub fn disturbs_not() -> Profile {
    let document = b"<user-profile><do-not-disturb/></user-profile>";
    let user = UserProfile::read(document, &Limits::default()).expect("a profile");
    Profile { rules: None, user: Some(user), origin: Origin::Document }
}

/// The history is kept; what is deferred is pushed.
pub fn records() -> Profile {
    rules_say("<allow-push/><allow-offline-storage>active</allow-offline-storage>")
}

pub fn unreachable() -> Profile {
    Profile { origin: Origin::Unreachable, ..Profile::default() }
}

/// A message that waits to be managed, of which the user has been told.
pub fn waiting(message: impl Into<Message>) -> [Event; 3] {
    let message = message.into();
    let name = message.name.clone();
    [deferred(message), to_manage(&name), told(&name, NotificationCause::Deferred, [])]
}
