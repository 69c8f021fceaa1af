//! Binding a policy, to decide or in the shadow: everything slow first, then one order.

use super::Keeper;
use super::decide::{self, Order, decide};
use super::event::PolicyUploaded;
use super::orders::Bench;
use super::workshop::{self, BuiltIn, NO_SETTINGS};
use crate::policy::policies::{Bind, PoliciesError, Signed};
use crate::policy::view::RealmView;
use crate::types::Digest;
use serde_json::Value;
use std::sync::Arc;

impl Keeper {
    /// Makes a binding ready and carries out the order for it.
    pub(super) fn bind(
        &self,
        bind: Signed<Bind>,
        order: impl Fn(decide::Bind) -> Order,
    ) -> Result<RealmView, PoliciesError> {
        let Signed { author, reason, order: Bind { realm, policy, decisions, settings } } = bind;
        super::texts::check_reason(&reason)?;
        let realm = realm.to_ascii_lowercase();
        let own = self.workshop.built_in(policy);
        let built_in = own.map(|own| own_upload(policy, own));
        let mut bind =
            decide::Bind { realm: realm.clone(), policy, decisions, settings: NO_SETTINGS.to_owned(), built_in };
        // Whatever is wrong with the order itself is told before anything slow is done.
        decide(&self.state().catalogue, &order(bind.clone()), &self.rules)?;
        let octets = self.workshop.octets(policy)?;
        self.believe(policy, &octets, &realm)?;
        let component = self.workshop.component(policy)?;
        let settings = settings.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let settings = self.workshop.settings(&component, &settings)?;
        bind.settings = String::from(&*settings);
        let mut bench = Bench::default();
        let key = (policy, settings);
        let shared = self.state().ready.get(&key).map(Arc::clone);
        let binding = shared.map_or_else(|| self.workshop.binding(&key), Ok)?;
        bench.ready.insert(key, binding);
        self.carry_out(&Signed { author, reason, order: order(bind) }, Some(&octets), &mut bench)?;
        self.realm_view(&realm)
    }
}

/// What is written down when a built-in policy is bound for the first time.
fn own_upload(policy: Digest, own: &BuiltIn) -> PolicyUploaded {
    PolicyUploaded {
        policy,
        bytes: own.octets.len() as u64,
        name: own.name.map(str::to_owned),
        decides: workshop::decides(&own.component),
        schema: own.component.schema().map(str::to_owned),
        signature: None,
        realm: None,
    }
}
