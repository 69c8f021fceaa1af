//! Events become metrics, once they are durable.

use crate::metrics::{Deferral, Delivery, Errand, Errands, Expiry, Limit, Managed, Metrics, Registration, Source};
use crate::queue::command::Command;
use crate::queue::decide::Decision;
use crate::queue::effect::{Effect, Reply};
use crate::queue::event::{
    Action, DeliveryFailure, ErrandKind, Event, Gone, RefusedBy, Source as HeardFrom, TransferFault,
};

/// Counts one durable event.
pub(super) fn count(metrics: &Metrics, event: &Event) {
    match event {
        Event::ClientRegistered(event) => {
            let kind = if event.just_registered { Registration::New } else { Registration::Refresh };
            metrics.registration(source(event.client.source), kind);
        }
        Event::ClientGone(event) => {
            let told = if event.cause == Gone::Network { Source::ThirdParty } else { Source::Register };
            metrics.registration(told, Registration::Gone);
        }
        Event::MessageDeferred(_) => metrics.deferral(Deferral::Stored),
        Event::DeferralRefused(event) => refused(metrics, event.by),
        Event::MessageDelivered(_) => metrics.delivery(Delivery::Delivered),
        Event::DeliveryFailed(event) => metrics.delivery(failure(event.failure)),
        Event::TransferFailed(event) => metrics.delivery(fault(event.fault)),
        Event::MessageDiscarded(_) => metrics.expiry(Expiry::Discarded),
        Event::StoreAwaited(_) => metrics.expiry(Expiry::Stored),
        Event::PreferencesMissed(_) => metrics.preferences_missed(),
        Event::ManagementRequested(event) => {
            event.items.iter().for_each(|(_, action)| metrics.managed(managed(*action)));
        }
        Event::NotificationPlanned(event) => {
            if event.ruling.verdict.out_of_band && event.channels.is_empty() {
                metrics.limit_hit(Limit::Errands);
            }
        }
        Event::DispositionForgone(_) => metrics.limit_hit(Limit::Errands),
        Event::NotificationSent(_) => metrics.errand(Errand::Notify, Errands::Done),
        Event::DispositionSent(_) => metrics.errand(Errand::Report, Errands::Done),
        Event::MessageStored(_) => metrics.errand(Errand::Store, Errands::Done),
        Event::HistoryRecorded(_) => metrics.errand(Errand::Record, Errands::Done),
        Event::HistoryWithdrawn(_) => metrics.errand(Errand::Withdraw, Errands::Done),
        Event::MessageInterworked(_) => metrics.errand(Errand::Interwork, Errands::Done),
        Event::ErrandFailed(event) => {
            let outcome = if event.retry.is_some() { Errands::Failed } else { Errands::GivenUp };
            metrics.errand(errand(event.kind), outcome);
        }
        Event::HandlingChosen(_)
        | Event::BodyKept(_)
        | Event::DeliveryStarted(_)
        | Event::DeliveryWithheld(_)
        | Event::PreferencesChanged(_)
        | Event::PreferencesHeeded(_)
        | Event::NotificationCalledFor(_)
        | Event::ErrandBegun(_)
        | Event::DisposalPostponed(_)
        | Event::MessageDeleted(_)
        | Event::DispositionOwed(_)
        | Event::HistoryAwaited(_) => {}
    }
}

const fn errand(kind: ErrandKind) -> Errand {
    match kind {
        ErrandKind::Notify => Errand::Notify,
        ErrandKind::Report => Errand::Report,
        ErrandKind::Store => Errand::Store,
        ErrandKind::Record => Errand::Record,
        ErrandKind::Withdraw => Errand::Withdraw,
        ErrandKind::Interwork => Errand::Interwork,
    }
}

const fn managed(action: Action) -> Managed {
    match action {
        Action::Delete => Managed::Delete,
        Action::Interwork => Managed::Interwork,
        Action::Store => Managed::Store,
        Action::Deliver => Managed::Deliver,
    }
}

/// Counts what leaves no event: a request that came again, a registration for which there is no room.
pub(super) fn count_unstored(metrics: &Metrics, command: &Command, decision: &Decision) {
    if !decision.events.is_empty() {
        return;
    }
    for effect in &decision.effects {
        match (command, effect) {
            (Command::Defer(_), Effect::Reply(Reply::Accepted)) => metrics.deferral(Deferral::Duplicate),
            (Command::Register(_), Effect::Reply(Reply::Refused { status: 403, .. })) => {
                metrics.limit_hit(Limit::QueueClients);
            }
            _ => {}
        }
    }
}

const fn source(source: HeardFrom) -> Source {
    match source {
        HeardFrom::Client => Source::Register,
        HeardFrom::Network => Source::ThirdParty,
    }
}

fn refused(metrics: &Metrics, by: RefusedBy) {
    match by {
        RefusedBy::Policy(_) => metrics.deferral(Deferral::RefusedPolicy),
        RefusedBy::MessagesMax => {
            metrics.deferral(Deferral::RefusedQuota);
            metrics.limit_hit(Limit::QueueMessages);
        }
        RefusedBy::BytesMax => {
            metrics.deferral(Deferral::RefusedQuota);
            metrics.limit_hit(Limit::QueueBytes);
        }
    }
}

const fn fault(fault: TransferFault) -> Delivery {
    match fault {
        TransferFault::Answer | TransferFault::TooLarge | TransferFault::Status(_) => Delivery::Refused,
        TransferFault::NotBound | TransferFault::Unanswered => Delivery::Timeout,
        TransferFault::Closed | TransferFault::Damaged | TransferFault::Unconfigured => Delivery::Transport,
    }
}

const fn failure(failure: DeliveryFailure) -> Delivery {
    match failure {
        DeliveryFailure::Status(486 | 600) => Delivery::Busy,
        DeliveryFailure::Status(404 | 408 | 410 | 430 | 480 | 604) => Delivery::Unreachable,
        DeliveryFailure::Status(500..=599) => Delivery::ServerError,
        DeliveryFailure::Status(_) => Delivery::Refused,
        DeliveryFailure::Timeout => Delivery::Timeout,
        DeliveryFailure::Transport | DeliveryFailure::Congestion | DeliveryFailure::Interrupted => Delivery::Transport,
    }
}
