//! What is particular to the events of errands, in an auditor's words. No address, no content.

use super::line::client;
use crate::queue::event::{
    Action, Channel, Disposition, ErrandFailed, ErrandFailure, ErrandKind, Event, ManagementRequested,
    NotificationPlanned, PreferencesHeeded, StandIn, StoreCause,
};
use crate::queue::question::{Disposal, NotificationCause};

/// The detail of an event that has to do with errands; of others, nothing.
pub(super) fn detail(event: &Event) -> String {
    match event {
        Event::PreferencesMissed(event) => {
            let stand_in = match event.stand_in {
                StandIn::Stale => "those read last",
                StandIn::RealmDefault => "the realm's defaults",
            };
            format!("{}: {stand_in} stood in for the user's preferences", event.decision.name())
        }
        Event::PreferencesHeeded(event) => heeded(event),
        Event::ManagementRequested(event) => managed(event),
        Event::NotificationPlanned(event) => planned(event),
        Event::NotificationSent(event) => match event.again_at {
            Some(at) => format!("errand {}, {}, not again before {at}", event.errand, channel(&event.channel)),
            None => format!("errand {}, {}", event.errand, channel(&event.channel)),
        },
        Event::MessageInterworked(event) => format!("errand {}, status {}", event.errand, event.status),
        Event::ErrandBegun(event) => {
            format!("errand {}, {}, call {}", event.errand, kind(event.kind), event.transaction.call_id)
        }
        Event::ErrandFailed(event) => failed(event),
        Event::DisposalPostponed(event) => format!("the user's preferences cannot be read: kept until {}", event.until),
        Event::MessageStored(event) => {
            let cause = match event.cause {
                StoreCause::Managed => "as asked for",
                StoreCause::Expired => "expired",
            };
            let place = &event.location;
            format!("errand {}, {cause}, uidvalidity {} uid {}", event.errand, place.uidvalidity, place.uid)
        }
        Event::DispositionOwed(event) => disposition(event.disposition).to_owned(),
        Event::DispositionForgone(event) => format!("{} (errands.waiting-max)", disposition(event.disposition)),
        Event::DispositionSent(event) => {
            format!("errand {}, {}, status {}", event.errand, disposition(event.disposition), event.status)
        }
        Event::HistoryRecorded(event) => {
            format!("errand {}, uidvalidity {} uid {}", event.errand, event.location.uidvalidity, event.location.uid)
        }
        Event::HistoryWithdrawn(event) => format!("errand {}", event.errand),
        _ => String::new(),
    }
}

fn heeded(event: &PreferencesHeeded) -> String {
    let preferences = &event.preferences;
    let say = |said: bool, words: &'static str| said.then_some(words);
    let words = [
        say(preferences.allow_push == Some(true), "push allowed"),
        say(preferences.allow_push == Some(false), "push not allowed"),
        say(preferences.expired == Some(Disposal::Discard), "expired: discard"),
        say(preferences.expired == Some(Disposal::Store), "expired: store"),
        say(preferences.do_not_disturb, "do not disturb"),
        say(preferences.offline_storage, "offline storage"),
    ];
    format!("{}: {}", event.decision.name(), words.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Which messages is in the lines that follow; here it is counted.
fn managed(event: &ManagementRequested) -> String {
    let count = |action| event.items.iter().filter(|(_, asked)| *asked == action).count();
    let asked = [
        (Action::Deliver, "deliver"),
        (Action::Store, "store"),
        (Action::Interwork, "interwork"),
        (Action::Delete, "delete"),
    ];
    let asked = asked.map(|(action, name)| (count(action), name));
    let words: Vec<String> =
        asked.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{name} {count}")).collect();
    let who = event.client.as_ref().map_or_else(|| "a client that is not registered".to_owned(), client);
    format!("by {who}: {}", words.join(", "))
}

fn planned(event: &NotificationPlanned) -> String {
    let cause = match event.cause {
        NotificationCause::Deferred => "deferred",
        NotificationCause::ExpiredDiscarded => "expired and discarded",
        NotificationCause::ExpiredStored => "expired and stored",
        NotificationCause::Reminder => "still waiting",
    };
    let who: Vec<String> = event.channels.iter().map(channel).collect();
    if who.is_empty() { format!("{cause}: nobody") } else { format!("{cause}: {} at {}", who.join(", "), event.at) }
}

fn channel(channel: &Channel) -> String {
    match channel {
        Channel::InBand(id) => format!("in band to {}", client(id)),
        Channel::OutOfBand => "out of band".to_owned(),
    }
}

fn failed(event: &ErrandFailed) -> String {
    let then = event.retry.map_or_else(|| "given up".to_owned(), |at| format!("again at {at}"));
    format!("errand {}, {}, {}; {then}", event.errand, kind(event.kind), failure(event.failure))
}

const fn kind(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Notify => "notification",
        ErrandKind::Report => "disposition notification",
        ErrandKind::Store => "into the message store",
        ErrandKind::Record => "into the history",
        ErrandKind::Withdraw => "out of the history",
        ErrandKind::Interwork => "interworking",
    }
}

fn failure(failure: ErrandFailure) -> String {
    match failure {
        ErrandFailure::Status(status) => format!("status {status}"),
        ErrandFailure::Timeout => "no answer".to_owned(),
        ErrandFailure::Transport => "could not be reached".to_owned(),
        ErrandFailure::Congestion => "too much in flight".to_owned(),
        ErrandFailure::Interrupted => "interrupted by a restart".to_owned(),
        ErrandFailure::Refused => "refused".to_owned(),
        ErrandFailure::Unconfigured => "nobody is configured for it".to_owned(),
        ErrandFailure::Moot => "nothing to tell any more".to_owned(),
    }
}

const fn disposition(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Delivered => "delivered",
        Disposition::Failed => "failed",
        Disposition::Stored => "stored",
    }
}
