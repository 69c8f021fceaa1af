//! Metrics of policies. Some name a realm or a policy: those series are there only while somebody holds their handle.

use super::family::{By, Grid, Maker};
use super::{Compared, FAST, Hook, Label, Limit, Metrics, Order, Ordered, Policy, Role, gauge};
use prometheus::{Counter, CounterVec, Error, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Realms and policies with series of their own, at most; what is beyond it is counted in the sums only.
const HOLDERS_MAX: usize = 10_000;

/// The families of policies.
#[derive(Debug)]
pub(super) struct Policies {
    calls: Grid<Hook, Policy>,
    seconds: By<Hook, Histogram>,
    instances: IntGauge,
    lines_dropped: IntCounter,
    unloadable: IntGauge,
    orders: Grid<Order, Ordered>,
    named: Arc<Named>,
}

/// The families whose series name a realm or a policy.
#[derive(Debug)]
struct Named {
    verdicts: IntCounterVec,
    shadow: IntCounterVec,
    bound: IntGaugeVec,
    trips: IntCounterVec,
    busy: CounterVec,
    /// How many handles there are for the same series: a policy that is bound anew where it was bound before has two for
    /// a moment.
    held: Mutex<HashMap<Holder, usize>>,
}

/// What has series of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Realm(String),
    Policy { realm: String, decision: Hook, policy: PolicyName, role: Role },
}

/// How a policy is called in a label: by the first 12 hexadecimal digits of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolicyName(Option<[u8; 6]>);

impl PolicyName {
    /// The standard rule, which is no component.
    pub const NATIVE: Self = Self(None);

    /// Of a component with this SHA-256.
    #[must_use]
    pub const fn of(digest: &[u8; 32]) -> Self {
        // 32 octets have six first ones.
        Self(digest.first_chunk().copied())
    }

    fn value(self) -> String {
        self.0.map_or_else(|| "native".to_owned(), hex::encode)
    }
}

impl Policies {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            calls: make.grid("policy_calls_total", "Policy questions, by who gave the verdict.")?,
            seconds: make.histograms("policy_call_seconds", "Time a policy question took.", &FAST)?,
            instances: make.gauge("policy_instances", "Instances of policy components that are alive.")?,
            lines_dropped: make.counter(
                "policy_log_lines_dropped_total",
                "Log lines of policies that were dropped because there were too many.",
            )?,
            unloadable: make.gauge(
                "policy_unloadable",
                "Decisions whose binding could not be loaded, so that another one decides, or is not ready yet, so that the standard rule does.",
            )?,
            orders: make.grid("policy_orders_total", "Orders about policies, by how they ended.")?,
            named: Arc::new(Named::new(make)?),
        })
    }
}

impl Named {
    fn new(make: &Maker<'_>) -> Result<Self, Error> {
        let place = ["realm", Self::DECISION, "policy"];
        let with = |label| [place.as_slice(), &[label]].concat();
        Ok(Self {
            verdicts: make.open_counters(
                "policy_verdicts_total",
                "Questions to each policy that is bound, by what came of them.",
                &with(Policy::NAME),
            )?,
            shadow: make.open_counters(
                "policy_shadow_total",
                "Questions to each policy in the shadow, by how its verdict compares.",
                &with(Compared::NAME),
            )?,
            bound: make.open_gauges("policy_bound", "Always 1: what is bound now.", &with(Role::NAME))?,
            trips: make.open_counters(
                "policy_trips_total",
                "Policies that failed too often and were taken out.",
                &["realm", Self::DECISION],
            )?,
            busy: make.open_seconds(
                "policy_busy_seconds_total",
                "Time that the policies of a realm took; policy.realm-ms-per-second is its limit.",
                &["realm"],
            )?,
            held: Mutex::default(),
        })
    }

    /// What the newer families call a [`Hook`].
    const DECISION: &'static str = "decision";

    /// One handle more for these series, unless there are too many; `make` finds them.
    fn hold<T>(self: &Arc<Self>, holder: Holder, make: impl FnOnce(&Self) -> Result<T, Error>) -> Option<Held<T>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= HOLDERS_MAX && !held.contains_key(&holder) {
            return None;
        }
        let series = make(self).ok()?;
        *held.entry(holder.clone()).or_default() += 1;
        Some(Held { series, holder, named: Arc::clone(self) })
    }

    /// One handle less; the last takes the series with it.
    fn let_go(&self, holder: &Holder) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(holder) {
            Some(handles) if *handles > 1 => *handles -= 1,
            _ => {
                held.remove(holder);
                self.remove(holder);
            }
        }
    }

    /// Removes the series. That one of them is not there is no error.
    fn remove(&self, holder: &Holder) {
        match holder {
            Holder::Realm(realm) => {
                let _ = self.busy.remove_label_values(&[realm]);
                for decision in Hook::ALL {
                    let _ = self.trips.remove_label_values(&[realm, decision.value()]);
                }
            }
            Holder::Policy { realm, decision, policy, role } => {
                let (decision, policy) = (decision.value(), policy.value());
                let _ = self.bound.remove_label_values(&[realm, decision, &policy, role.value()]);
                let (family, results) = match role {
                    Role::Active => (&self.verdicts, values::<Policy>()),
                    Role::Shadow => (&self.shadow, values::<Compared>()),
                };
                for result in results {
                    let _ = family.remove_label_values(&[realm, decision, &policy, result]);
                }
            }
        }
    }
}

fn values<L: Label>() -> Vec<&'static str> {
    L::ALL.iter().map(|value| value.value()).collect()
}

/// Series that are there as long as this is.
#[derive(Debug)]
struct Held<T> {
    series: T,
    holder: Holder,
    named: Arc<Named>,
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        self.named.let_go(&self.holder);
    }
}

/// The series of a realm.
#[derive(Debug)]
pub struct PolicyRealm(Option<Held<(Counter, By<Hook, IntCounter>)>>);

/// The series of a policy that decides.
#[derive(Debug)]
pub struct PolicyActive(Option<Held<By<Policy, IntCounter>>>);

/// The series of a policy in the shadow.
#[derive(Debug)]
pub struct PolicyShadow(Option<Held<By<Compared, IntCounter>>>);

impl PolicyRealm {
    /// The realm's policies took so long.
    pub fn busy(&self, took: Duration) {
        if let Some(Held { series: (busy, _), .. }) = &self.0 {
            busy.inc_by(took.as_secs_f64());
        }
    }

    /// A policy of the realm was tripped.
    pub fn tripped(&self, decision: Hook) {
        if let Some(Held { series: (_, trips), .. }) = &self.0 {
            trips.at(decision).inc();
        }
    }
}

impl PolicyActive {
    /// It was asked.
    pub fn answered(&self, outcome: Policy) {
        if let Some(held) = &self.0 {
            held.series.at(outcome).inc();
        }
    }
}

impl PolicyShadow {
    /// It was asked, or was to be.
    pub fn compared(&self, result: Compared) {
        if let Some(held) = &self.0 {
            held.series.at(result).inc();
        }
    }
}

impl Metrics {
    /// A policy question was answered after so long.
    pub fn policy_call(&self, hook: Hook, outcome: Policy, took: Duration) {
        self.policies.calls.at(hook).at(outcome).inc();
        self.policies.seconds.at(hook).observe(took.as_secs_f64());
    }

    /// So many instances of policy components are alive now.
    pub fn set_policy_instances(&self, alive: u32) {
        self.policies.instances.set(alive.into());
    }

    /// So many log lines of policies were dropped.
    pub fn policy_lines_dropped(&self, lines: u64) {
        self.policies.lines_dropped.inc_by(lines);
    }

    /// So many bindings cannot be loaded.
    pub fn set_policy_unloadable(&self, bindings: usize) {
        self.policies.unloadable.set(gauge(bindings as u64));
    }

    /// An order about policies ended.
    pub fn policy_order(&self, order: Order, result: Ordered) {
        self.policies.orders.at(order).at(result).inc();
    }

    /// The series of a realm of the configuration: never of a name that comes from outside.
    #[must_use]
    pub fn policy_realm(&self, realm: &str) -> PolicyRealm {
        PolicyRealm(self.counted_if_full(self.policies.named.hold(Holder::Realm(realm.to_owned()), |named| {
            let trips = By::of(|hook: Hook| named.trips.get_metric_with_label_values(&[realm, hook.value()]))?;
            Ok((named.busy.get_metric_with_label_values(&[realm])?, trips))
        })))
    }

    /// The series of a policy that decides in a realm of the configuration.
    #[must_use]
    pub fn policy_active(&self, realm: &str, decision: Hook, policy: PolicyName) -> PolicyActive {
        let holder = Holder::Policy { realm: realm.to_owned(), decision, policy, role: Role::Active };
        PolicyActive(self.counted_if_full(self.policies.named.hold(holder, |named| {
            let place = [realm, decision.value(), &policy.value()];
            named.bind(place, Role::Active)?;
            By::of(|outcome: Policy| named.verdicts.get_metric_with_label_values(&with(place, outcome.value())))
        })))
    }

    /// The series of a policy in the shadow in a realm of the configuration.
    #[must_use]
    pub fn policy_shadow(&self, realm: &str, decision: Hook, policy: PolicyName) -> PolicyShadow {
        let holder = Holder::Policy { realm: realm.to_owned(), decision, policy, role: Role::Shadow };
        PolicyShadow(self.counted_if_full(self.policies.named.hold(holder, |named| {
            let place = [realm, decision.value(), &policy.value()];
            named.bind(place, Role::Shadow)?;
            By::of(|result: Compared| named.shadow.get_metric_with_label_values(&with(place, result.value())))
        })))
    }

    fn counted_if_full<T>(&self, held: Option<T>) -> Option<T> {
        if held.is_none() {
            self.limit_hit(Limit::PolicyPlaces);
        }
        held
    }
}

impl Named {
    fn bind(&self, place: [&str; 3], role: Role) -> Result<(), Error> {
        self.bound.get_metric_with_label_values(&with(place, role.value()))?.set(1);
        Ok(())
    }
}

const fn with<'a>([realm, decision, policy]: [&'a str; 3], last: &'a str) -> [&'a str; 4] {
    [realm, decision, policy, last]
}
