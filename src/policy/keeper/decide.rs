//! What becomes of an order: the events to write down, or why not. Pure: nothing here changes anything.

use super::event::{
    Event, PolicyActivated, PolicyRetired, PolicyRolledBack, PolicyShadowed, PolicySigned, PolicyTripped,
    PolicyUnloadable, PolicyUploaded, Resort, Role, ShadowEnded, Step, Unloadable, UploadRefused,
};
use super::state::{Baseline, Bound, Catalogue, Slot, Source};
use crate::policy::policies::{PoliciesError, Realms, Retire};
use crate::policy::view::Binds;
use crate::queue::question::Hook;
use crate::types::Digest;
use std::collections::BTreeSet;

/// What an order is held against, besides the state.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The realms of the configuration.
    pub realms: BTreeSet<String>,
    pub baseline: Baseline,
    /// Policies that are there without an upload: the standard one, and what the configuration names.
    pub built_in: BTreeSet<Digest>,
    /// `policy.history-max`.
    pub earlier_max: u32,
    /// `policy.catalogue-max`.
    pub catalogue_max: usize,
    /// `policy.catalogue-bytes-max`, octets.
    pub catalogue_bytes_max: u64,
}

/// An order, everything slow about it done: the component is examined and ready, its signature and settings are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Upload(PolicyUploaded),
    /// An upload that failed before it could be an order.
    Refuse(UploadRefused),
    Activate(Bind),
    Shadow(Bind),
    EndShadow {
        realm: String,
        decisions: Option<Vec<Hook>>,
    },
    Rollback {
        realm: String,
        decisions: Option<Vec<Hook>>,
    },
    Retire(Retire),
    /// It failed `failures` times.
    Trip {
        realm: String,
        hook: Hook,
        policy: Digest,
        failures: u32,
    },
    /// It could not be made ready.
    Unload {
        realm: String,
        hook: Hook,
        policy: Digest,
        role: Role,
        why: Unloadable,
    },
}

/// A component to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    pub realm: String,
    pub policy: Digest,
    /// `None`: all that it exports.
    pub decisions: Option<Vec<Hook>>,
    /// Canonical JSON.
    pub settings: String,
    /// For a built-in policy: its own upload, in case that it is not kept yet. Bindings must outlive the program or the
    /// configuration that had it built in.
    pub built_in: Option<PolicyUploaded>,
}

/// The events that an order leads to; none if it asks for what is so already.
///
/// # Errors
/// [`PoliciesError`]: why it is not carried out.
pub fn decide(state: &Catalogue, order: &Order, rules: &Rules) -> Result<Vec<Event>, PoliciesError> {
    match order {
        Order::Upload(upload) => decide_upload(state, upload, rules),
        Order::Refuse(refused) => Ok(vec![Event::UploadRefused(refused.clone())]),
        Order::Activate(bind) => activate(state, bind, rules),
        Order::Shadow(bind) => shadow(state, bind, rules),
        Order::EndShadow { realm, decisions } => end_shadow(state, realm, decisions.as_deref(), rules),
        Order::Rollback { realm, decisions } => roll_back(state, realm, decisions.as_deref(), rules),
        Order::Retire(order) => retire(state, order, rules),
        Order::Trip { realm, hook, policy, failures } => Ok(trip(state, realm, *hook, *policy, *failures, rules)),
        Order::Unload { realm, hook, policy, role, why } => {
            let slot = state.slot(realm, *hook);
            let to = after_unload(slot, *policy, *role).map(|after| after.resort(*hook, &rules.baseline));
            let event = |to| PolicyUnloadable {
                realm: realm.clone(),
                hook: *hook,
                policy: *policy,
                role: *role,
                why: *why,
                to,
            };
            Ok(to.map(|to| Event::PolicyUnloadable(event(to))).into_iter().collect())
        }
    }
}

/// Decisions in the order of their names, each once.
pub fn in_order(decisions: Option<&[Hook]>) -> Vec<Hook> {
    let all = Hook::ALL.into_iter();
    decisions.map_or_else(|| Hook::ALL.to_vec(), |wanted| all.filter(|hook| wanted.contains(hook)).collect())
}

fn known(realm: &str, rules: &Rules) -> Result<(), PoliciesError> {
    if rules.realms.contains(realm) { Ok(()) } else { Err(PoliciesError::NoSuchRealm(realm.to_owned())) }
}

fn decide_upload(state: &Catalogue, upload: &PolicyUploaded, rules: &Rules) -> Result<Vec<Event>, PoliciesError> {
    let Some(kept) = state.validated(upload.policy) else {
        room_for(state, upload.bytes, rules)?;
        return Ok(vec![Event::PolicyUploaded(upload.clone())]);
    };
    // What is there for all is there for each realm.
    if !kept.uploads.iter().any(|known| known.realm.is_none() || known.realm == upload.realm) {
        return Ok(vec![Event::PolicyUploaded(upload.clone())]);
    }
    let signed = upload.signature.iter().filter(|signature| !kept.signatures.contains(signature));
    let signed = signed.map(|signature| PolicySigned { policy: upload.policy, signature: signature.clone() });
    Ok(signed.map(Event::PolicySigned).collect())
}

/// Whether one more component of this length may be kept.
///
/// # Errors
/// [`PoliciesError::Full`].
pub fn room_for(state: &Catalogue, bytes: u64, rules: &Rules) -> Result<(), PoliciesError> {
    let (count, taken) = state.room();
    if count >= rules.catalogue_max {
        return Err(PoliciesError::Full { what: "policy.catalogue-max", limit: rules.catalogue_max as u64 });
    }
    if taken.saturating_add(bytes) > rules.catalogue_bytes_max {
        return Err(PoliciesError::Full { what: "policy.catalogue-bytes-max", limit: rules.catalogue_bytes_max });
    }
    Ok(())
}

/// The decisions to bind, and the upload of a built-in policy that has to come first.
fn binding(state: &Catalogue, bind: &Bind, rules: &Rules) -> Result<(Vec<Hook>, Vec<Event>), PoliciesError> {
    known(&bind.realm, rules)?;
    let mut events = Vec::new();
    let decides = match (state.policies.get(&bind.policy), &bind.built_in) {
        (Some(kept), _) if !kept.retired => &kept.decides,
        // For these there is always room: they are few, and whoever needs the standard policy needs it at once.
        (_, Some(own)) => {
            events.push(Event::PolicyUploaded(own.clone()));
            &own.decides
        }
        (Some(_), None) => return Err(PoliciesError::Retired(bind.policy)),
        (None, None) => return Err(PoliciesError::NoSuchPolicy(bind.policy.to_string())),
    };
    let asked = in_order(Some(bind.decisions.as_deref().unwrap_or(decides)));
    if asked.is_empty() || asked.iter().any(|hook| !decides.contains(hook)) {
        return Err(PoliciesError::NotDecided { asked, decides: decides.clone() });
    }
    Ok((asked, events))
}

fn activate(state: &Catalogue, bind: &Bind, rules: &Rules) -> Result<Vec<Event>, PoliciesError> {
    let (asked, mut events) = binding(state, bind, rules)?;
    let slot = |hook: &Hook| state.slot(&bind.realm, *hook);
    let is = |hook: &Hook| slot(hook).active().is_some_and(|bound| bound.is(bind.policy, &bind.settings));
    let (already, hooks): (Vec<Hook>, Vec<Hook>) = asked.into_iter().partition(is);
    let shadowed = |hook: &Hook| slot(hook).shadow.as_ref().is_some_and(|shadow| shadow.policy == bind.policy);
    let ended: Vec<Hook> = already.into_iter().filter(shadowed).collect();
    if !hooks.is_empty() {
        let (realm, settings) = (bind.realm.clone(), bind.settings.clone());
        let (policy, earlier_max) = (bind.policy, rules.earlier_max);
        events.push(Event::PolicyActivated(PolicyActivated { realm, hooks, policy, settings, earlier_max }));
    }
    if !ended.is_empty() {
        events.push(Event::ShadowEnded(ShadowEnded { realm: bind.realm.clone(), hooks: ended }));
    }
    Ok(events)
}

fn shadow(state: &Catalogue, bind: &Bind, rules: &Rules) -> Result<Vec<Event>, PoliciesError> {
    let (asked, mut events) = binding(state, bind, rules)?;
    let shadowed = |hook: &Hook| state.slot(&bind.realm, *hook).shadow.as_ref();
    let is = |hook: &Hook| shadowed(hook).is_some_and(|shadow| shadow.is(bind.policy, &bind.settings));
    let hooks: Vec<Hook> = asked.into_iter().filter(|hook| !is(hook)).collect();
    if !hooks.is_empty() {
        let (realm, settings) = (bind.realm.clone(), bind.settings.clone());
        events.push(Event::PolicyShadowed(PolicyShadowed { realm, hooks, policy: bind.policy, settings }));
    }
    Ok(events)
}

fn end_shadow(
    state: &Catalogue,
    realm: &str,
    decisions: Option<&[Hook]>,
    rules: &Rules,
) -> Result<Vec<Event>, PoliciesError> {
    known(realm, rules)?;
    let realm = realm.to_owned();
    let shadowed = in_order(decisions).into_iter().filter(|hook| state.slot(&realm, *hook).shadow.is_some());
    let hooks: Vec<Hook> = shadowed.collect();
    if hooks.is_empty() {
        return Err(PoliciesError::NothingShadowed { realm });
    }
    Ok(vec![Event::ShadowEnded(ShadowEnded { realm, hooks })])
}

fn roll_back(
    state: &Catalogue,
    realm: &str,
    decisions: Option<&[Hook]>,
    rules: &Rules,
) -> Result<Vec<Event>, PoliciesError> {
    known(realm, rules)?;
    let step = |hook: Hook| {
        let mut slot = state.slot(realm, hook).clone();
        let from = slot.placed.pop()?.policy;
        Some(Step { hook, from, to: slot.resort(hook, &rules.baseline) })
    };
    let steps: Vec<Step> = in_order(decisions).into_iter().filter_map(step).collect();
    let realm = realm.to_owned();
    if steps.is_empty() {
        return Err(PoliciesError::NothingToRollBack { realm });
    }
    Ok(vec![Event::PolicyRolledBack(PolicyRolledBack { realm, steps })])
}

fn retire(state: &Catalogue, order: &Retire, rules: &Rules) -> Result<Vec<Event>, PoliciesError> {
    let policy = order.policy;
    if rules.built_in.contains(&policy) {
        return Err(PoliciesError::BuiltIn);
    }
    let kept = state.policies.get(&policy).filter(|_| state.is_shown(policy, &order.sees));
    let kept = kept.ok_or_else(|| PoliciesError::NoSuchPolicy(policy.to_string()))?;
    if kept.retired {
        return Err(PoliciesError::Retired(policy));
    }
    let (bound, hidden): (Vec<Binds>, Vec<Binds>) =
        bound(state, policy, rules).into_iter().partition(|place| order.sees.contain(&place.realm));
    if !bound.is_empty() || !hidden.is_empty() {
        return Err(PoliciesError::InUse { bound, elsewhere: !hidden.is_empty() });
    }
    let own = |source: &Source| source.realm.as_ref().is_some_and(|realm| order.operates.contain(realm));
    let theirs = kept.uploads.iter().all(own) && state.used_in(policy).all(|realm| order.operates.contain(realm));
    if !theirs && order.operates != Realms::All {
        return Err(PoliciesError::OfOthers);
    }
    Ok(vec![Event::PolicyRetired(PolicyRetired { policy })])
}

/// Where a policy decides or is asked, in the realms of the configuration.
pub fn bound(state: &Catalogue, policy: Digest, rules: &Rules) -> Vec<Binds> {
    let mut found = Vec::new();
    for realm in &rules.realms {
        for hook in Hook::ALL {
            let slot = state.slot(realm, hook);
            let active = match slot.resort(hook, &rules.baseline) {
                Resort::Earlier(bound) | Resort::Baseline(bound) => bound == policy,
                Resort::Standard => false,
            };
            let shadow = slot.shadow.as_ref().is_some_and(|shadow| shadow.policy == policy);
            for (role, _) in [("active", active), ("shadow", shadow)].into_iter().filter(|(_, is)| *is) {
                let (realm, decision, role) = (realm.clone(), hook.name().to_owned(), role.to_owned());
                found.push(Binds { realm, decision, role });
            }
        }
    }
    found
}

/// Nothing if something else decides by now.
fn trip(state: &Catalogue, realm: &str, hook: Hook, policy: Digest, failures: u32, rules: &Rules) -> Vec<Event> {
    let slot = state.slot(realm, hook);
    if ![Resort::Earlier(policy), Resort::Baseline(policy)].contains(&slot.resort(hook, &rules.baseline)) {
        return Vec::new();
    }
    let to = slot.fallen(&rules.baseline).resort(hook, &rules.baseline);
    vec![Event::PolicyTripped(PolicyTripped { realm: realm.to_owned(), hook, policy, failures, to })]
}

/// The slot without what could not be made ready; `None` if it is not there (any more).
fn after_unload(slot: &Slot, policy: Digest, role: Role) -> Option<Slot> {
    let is = |bound: Option<&Bound>| bound.is_some_and(|bound| bound.policy == policy);
    let there = match role {
        Role::Active => is(slot.active()),
        Role::Shadow => is(slot.shadow.as_ref()),
        Role::Earlier => is(slot.earlier().next()),
    };
    let mut after = slot.clone();
    after.unload(role);
    there.then_some(after)
}
