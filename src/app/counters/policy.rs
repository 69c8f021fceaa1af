//! What the policy host counts, and the handles that it is given for what is bound.

use super::Counted;
use crate::metrics::{
    Compared, Hook, Limit, Order, Ordered, Policy as Judged, PolicyActive, PolicyName, PolicyRealm, PolicyShadow,
};
use crate::policy;
use crate::queue::question::{Failure, Hook as Decision};
use crate::types::Digest;
use std::time::Duration;

impl policy::Counters for Counted {
    fn asked(&self, hook: Decision, outcome: policy::Outcome, took: Duration) {
        self.0.policy_call(decision(hook), judged(outcome), took);
    }

    fn instances(&self, alive: u32) {
        self.0.set_policy_instances(alive);
    }

    fn lines_dropped(&self, lines: u64) {
        self.0.policy_lines_dropped(lines);
    }

    fn limit_hit(&self, limit: policy::Limit) {
        self.0.limit_hit(match limit {
            policy::Limit::RealmBudget => Limit::PolicyRealmBudget,
            policy::Limit::ShadowBacklog => Limit::PolicyShadowBacklog,
            policy::Limit::Instances => Limit::PolicyInstances,
            policy::Limit::ComponentBytes => Limit::PolicyComponent,
            policy::Limit::SettingsBytes => Limit::PolicySettings,
            policy::Limit::Catalogue => Limit::PolicyCatalogue,
            policy::Limit::CatalogueBytes => Limit::PolicyCatalogueBytes,
            policy::Limit::Uploads => Limit::PolicyUploads,
            policy::Limit::StartSecs => Limit::PolicyStart,
        });
    }

    fn unloadable(&self, bindings: usize) {
        self.0.set_policy_unloadable(bindings);
    }

    fn ordered(&self, order: policy::Order, result: policy::Ordered) {
        let order = match order {
            policy::Order::Upload => Order::Upload,
            policy::Order::Activate => Order::Activate,
            policy::Order::Shadow => Order::Shadow,
            policy::Order::EndShadow => Order::EndShadow,
            policy::Order::Rollback => Order::Rollback,
            policy::Order::Retire => Order::Retire,
            policy::Order::Trip => Order::Trip,
        };
        let result = match result {
            policy::Ordered::Done => Ordered::Done,
            policy::Ordered::Refused => Ordered::Refused,
            policy::Ordered::Failed => Ordered::Failed,
        };
        self.0.policy_order(order, result);
    }

    fn realm(&self, realm: &str) -> Box<dyn policy::RealmCounters> {
        Box::new(self.0.policy_realm(realm))
    }

    fn live(&self, realm: &str, hook: Decision, policy: Option<Digest>) -> Box<dyn policy::LiveCounters> {
        let name = policy.map_or(PolicyName::NATIVE, |digest| PolicyName::of(&digest.0));
        Box::new(self.0.policy_active(realm, decision(hook), name))
    }

    fn shadow(&self, realm: &str, hook: Decision, policy: Digest) -> Box<dyn policy::ShadowCounters> {
        Box::new(self.0.policy_shadow(realm, decision(hook), PolicyName::of(&policy.0)))
    }
}

impl policy::RealmCounters for PolicyRealm {
    fn busy(&self, took: Duration) {
        Self::busy(self, took);
    }

    fn tripped(&self, hook: Decision) {
        Self::tripped(self, decision(hook));
    }
}

impl policy::LiveCounters for PolicyActive {
    fn answered(&self, outcome: policy::Outcome) {
        Self::answered(self, judged(outcome));
    }
}

impl policy::ShadowCounters for PolicyShadow {
    fn compared(&self, result: policy::Compared) {
        Self::compared(
            self,
            match result {
                policy::Compared::Same => Compared::Same,
                policy::Compared::Different => Compared::Different,
                policy::Compared::Failed => Compared::Failed,
                policy::Compared::Dropped => Compared::Dropped,
            },
        );
    }
}

const fn decision(hook: Decision) -> Hook {
    match hook {
        Decision::Admission => Hook::Admission,
        Decision::Handling => Hook::Handling,
        Decision::Delivery => Hook::Delivery,
        Decision::Expiry => Hook::Expiry,
        Decision::Notification => Hook::Notification,
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
