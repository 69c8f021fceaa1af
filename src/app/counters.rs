//! The hooks of journal, network and policy, counted in the metrics.

use crate::metrics::{
    Direction, Drop as Dropped, Hook, JournalFailure, Limit, Method, Metrics, Policy as Judged, Refusal, Side,
};
use crate::queue::question::{Failure, Hook as Decision};
use crate::{journal, net, policy, sip};
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
}

impl policy::Counters for Counted {
    fn asked(&self, hook: Decision, outcome: policy::Outcome, took: Duration) {
        let hook = match hook {
            Decision::Admission => Hook::Admission,
            Decision::Handling => Hook::Handling,
            Decision::Delivery => Hook::Delivery,
            Decision::Expiry => Hook::Expiry,
            Decision::Notification => Hook::Notification,
        };
        self.0.policy_call(hook, judged(outcome), took);
    }

    fn instances(&self, alive: u32) {
        self.0.set_policy_instances(alive);
    }

    fn lines_dropped(&self, lines: u64) {
        self.0.policy_lines_dropped(lines);
    }
}

const fn judged(outcome: policy::Outcome) -> Judged {
    match outcome {
        policy::Outcome::Component => Judged::Component,
        policy::Outcome::Native => Judged::Native,
        policy::Outcome::Failed(Failure::Trap) => Judged::Trap,
        policy::Outcome::Failed(Failure::Timeout) => Judged::Timeout,
        policy::Outcome::Failed(Failure::Memory) => Judged::Memory,
        policy::Outcome::Failed(Failure::Refused) => Judged::Refused,
        policy::Outcome::Failed(Failure::Nonsense) => Judged::Nonsense,
        policy::Outcome::Failed(Failure::Unavailable) => Judged::Unavailable,
    }
}
