//! The hooks of journal, network, policy and gateway, counted in the metrics.

mod policy;

use crate::config::NotifierKind;
use crate::gateway::{notifier, preferences, store};
use crate::metrics::{
    Direction, Drop as Dropped, JournalFailure, Limit, Lookup, Method, Metrics, Notified, Notifier, Preference,
    Refusal, Side, Stored, Storing, Stray, Transfer,
};
use crate::net::msrp;
use crate::{journal, net, sip};
use std::sync::Arc;
use std::time::Duration;

/// One for each port; all count in the same metrics.
#[derive(Clone, Debug)]
pub(super) struct Counted(pub Arc<Metrics>);

impl journal::Counters for Counted {
    fn committed(&self, waited: Duration) {
        self.0.append(waited);
    }

    fn batch(&self, appends: usize, octets: usize, write: Duration) {
        self.0.commit(appends, octets, write);
    }

    fn held(&self, totals: journal::Totals) {
        self.0.set_queue(totals.messages, totals.octets);
    }

    fn waiting(&self, appends: usize) {
        self.0.set_appends_waiting(appends);
    }

    fn limit_hit(&self, limit: journal::Limit) {
        self.0.limit_hit(match limit {
            journal::Limit::AppendsWaiting => Limit::AppendsWaiting,
            journal::Limit::OctetsWaiting => Limit::WriteBuffer,
            journal::Limit::DiskFree => Limit::DiskFree,
        });
    }

    fn conflict(&self) {
        self.0.journal_failure(JournalFailure::Conflict);
    }

    fn write_failed(&self) {
        self.0.journal_failure(JournalFailure::Write);
    }

    fn orphan(&self) {
        self.0.body_orphans(1);
    }
}

impl net::Counters for Counted {
    fn request(&self, method: &sip::Method) {
        self.0.request(Direction::Received, Method::of(method.as_str()));
    }

    fn response_sent(&self, method: &sip::Method, status: u16) {
        self.0.response(Direction::Sent, Method::of(method.as_str()), status);
    }

    fn retransmission_absorbed(&self) {
        self.0.retransmission_absorbed();
    }

    fn dropped(&self, cause: net::DropCause) {
        self.0.dropped(match cause {
            net::DropCause::Garbage => Dropped::Garbage,
            net::DropCause::KeepAlive => Dropped::KeepAlive,
            net::DropCause::UnmatchedResponse => Dropped::UnmatchedResponse,
            net::DropCause::Ack => Dropped::Ack,
            net::DropCause::LateAnswer => Dropped::LateAnswer,
            net::DropCause::Unanswered => Dropped::Unanswered,
            net::DropCause::SendFailed => Dropped::SendFailed,
        });
    }

    fn limit_hit(&self, limit: net::Limit) {
        self.0.limit_hit(match limit {
            net::Limit::ServerTransactions => Limit::ServerTransactions,
            net::Limit::ClientTransactions => Limit::ClientTransactions,
            net::Limit::Dialogs => Limit::Dialogs,
            net::Limit::Connections => Limit::Connections,
            net::Limit::ConnectionBacklog => Limit::ConnectionBacklog,
            net::Limit::Lookups => Limit::Lookups,
            net::Limit::Inbox => Limit::Inbox,
            net::Limit::Handler => return self.0.refused(Refusal::Overload),
            net::Limit::Draining => return self.0.refused(Refusal::Draining),
        });
    }

    fn transactions(&self, server: usize, client: usize) {
        self.0.set_transactions(Side::Server, server);
        self.0.set_transactions(Side::Client, client);
    }

    fn connections(&self, n: usize) {
        self.0.set_connections(n);
    }

    fn dialogs(&self, n: usize) {
        self.0.set_dialogs(n);
    }
}

impl msrp::Counters for Counted {
    fn ended(&self, direction: msrp::Direction, outcome: msrp::Ended) {
        let outcome = match outcome {
            msrp::Ended::Done => Transfer::Done,
            msrp::Ended::Cancelled => Transfer::Cancelled,
            msrp::Ended::NotBound => Transfer::NotBound,
            msrp::Ended::Idle => Transfer::Idle,
            msrp::Ended::Closed => Transfer::Closed,
            msrp::Ended::Refused => Transfer::Refused,
            msrp::Ended::Declined => Transfer::Declined,
            msrp::Ended::Unanswered => Transfer::Unanswered,
            msrp::Ended::Aborted => Transfer::Aborted,
            msrp::Ended::Connect => Transfer::Connect,
            msrp::Ended::Tls => Transfer::Tls,
            msrp::Ended::Malformed => Transfer::Malformed,
            msrp::Ended::Source => Transfer::Source,
            msrp::Ended::Stopping => Transfer::Stopping,
        };
        self.0.transfer(way(direction), outcome);
    }

    fn octets(&self, direction: msrp::Direction, octets: u64) {
        self.0.transfer_bytes(way(direction), octets);
    }

    fn sessions(&self, held: usize) {
        self.0.set_msrp_sessions(held);
    }

    fn connections(&self, open: usize) {
        self.0.set_msrp_connections(open);
    }

    fn stray(&self, cause: msrp::Stray) {
        self.0.msrp_stray(match cause {
            msrp::Stray::UnknownSession => Stray::UnknownSession,
            msrp::Stray::BoundElsewhere => Stray::BoundElsewhere,
            msrp::Stray::Fingerprint => Stray::Fingerprint,
            msrp::Stray::Garbage => Stray::Garbage,
            msrp::Stray::Unbound => Stray::Unbound,
            msrp::Stray::Tls => Stray::Tls,
        });
    }

    fn limit_hit(&self, limit: msrp::Limit) {
        self.0.limit_hit(match limit {
            msrp::Limit::Sessions => Limit::MsrpSessions,
            msrp::Limit::Connections => Limit::MsrpConnections,
            msrp::Limit::MessageBytes => Limit::MsrpMessageBytes,
            msrp::Limit::Ranges => Limit::MsrpRanges,
        });
    }
}

const fn way(direction: msrp::Direction) -> Direction {
    match direction {
        msrp::Direction::In => Direction::Received,
        msrp::Direction::Out => Direction::Sent,
    }
}

impl notifier::Counters for Counted {
    fn notified(&self, kind: NotifierKind, outcome: notifier::Outcome, took: Duration) {
        let kind = match kind {
            NotifierKind::Outbox => Notifier::Outbox,
            NotifierKind::Webhook => Notifier::Webhook,
            NotifierKind::Smpp => Notifier::Smpp,
            NotifierKind::None => Notifier::None,
        };
        let outcome = match outcome {
            notifier::Outcome::Taken => Notified::Taken,
            notifier::Outcome::Busy => Notified::Busy,
            notifier::Outcome::Later => Notified::Later,
            notifier::Outcome::Refused => Notified::Refused,
        };
        self.0.notification(kind, outcome, took);
    }

    fn outbox(&self, waiting: u64) {
        self.0.set_outbox(waiting);
    }

    fn smsc_bound(&self, bound: bool) {
        self.0.set_smsc_bound(bound);
    }

    fn limit_hit(&self, limit: notifier::Limit) {
        self.0.limit_hit(match limit {
            notifier::Limit::Rate => Limit::NotifierRate,
            notifier::Limit::Messages => Limit::NoticeMessages,
            notifier::Limit::Outbox => Limit::Outbox,
            notifier::Limit::WebhookInFlight => Limit::WebhookInFlight,
            notifier::Limit::SmppWindow => Limit::SmppWindow,
        });
    }
}

impl preferences::Counters for Counted {
    fn wanted(&self, at_hand: bool) {
        self.0.preference_lookup(if at_hand { Lookup::Hit } else { Lookup::Miss });
    }

    fn read(&self, outcome: preferences::Outcome, took: Duration) {
        let outcome = match outcome {
            preferences::Outcome::Found => Preference::Found,
            preferences::Outcome::Unchanged => Preference::Unchanged,
            preferences::Outcome::Absent => Preference::Absent,
            preferences::Outcome::Refused => Preference::Refused,
            preferences::Outcome::Failed => Preference::Failed,
            preferences::Outcome::Timeout => Preference::Timeout,
            preferences::Outcome::Transport => Preference::Transport,
            preferences::Outcome::Unreadable => Preference::Unreadable,
            preferences::Outcome::NotAsked => Preference::NotAsked,
            preferences::Outcome::Disk => Preference::Disk,
        };
        self.0.preference_read(outcome, took);
    }

    fn left_alone(&self, so: bool) {
        self.0.add_preference_servers_left_alone(if so { 1 } else { -1 });
    }

    fn limit_hit(&self, limit: preferences::Limit) {
        self.0.limit_hit(match limit {
            preferences::Limit::CachedUsers => Limit::CachedUsers,
            preferences::Limit::CachedBytes => Limit::CachedBytes,
            preferences::Limit::Reads => Limit::PreferenceReads,
            preferences::Limit::Requests => Limit::PreferenceRequests,
            preferences::Limit::DocumentBytes => Limit::DocumentBytes,
        });
    }
}

impl store::Counters for Counted {
    fn ended(&self, operation: store::Operation, outcome: store::Outcome) {
        let operation = match operation {
            store::Operation::Append => Storing::Append,
            store::Operation::Search => Storing::Search,
            store::Operation::Remove => Storing::Remove,
        };
        self.0.stored(operation, stored(outcome));
    }

    fn connections(&self, open: usize, _: usize) {
        self.0.set_store_connections(open);
    }

    fn limit_hit(&self, limit: store::Limit) {
        self.0.limit_hit(match limit {
            store::Limit::Connections => Limit::StoreConnections,
            store::Limit::RequestsWaiting => Limit::StoreWaiting,
            store::Limit::Messages => Limit::StoreMessages,
            store::Limit::Octets => Limit::StoreBytes,
        });
    }

    fn resting(&self, resting: bool) {
        self.0.set_store_resting(resting);
    }
}

const fn stored(outcome: store::Outcome) -> Stored {
    match outcome {
        store::Outcome::Done => Stored::Done,
        store::Outcome::Absent => Stored::Absent,
        store::Outcome::Unreachable => Stored::Unreachable,
        store::Outcome::Timeout => Stored::Timeout,
        store::Outcome::Busy => Stored::Busy,
        store::Outcome::Quota => Stored::Quota,
        store::Outcome::Login => Stored::Login,
        store::Outcome::Failed => Stored::Failed,
        store::Outcome::Refused => Stored::Refused,
    }
}
