//! What the API shows of the keeper's state.

use super::decide::bound;
use super::event::{Entry, Event, RefusalCause, Resort, Role, Unloadable};
use super::ledger::Written;
use super::state::{Bound, Catalogue, Kept, Slot, Trouble, TroubleKind};
use super::workshop::{BuiltIn, NO_SETTINGS, decides};
use super::{Keeper, event};
use crate::policy::policies::{PoliciesError, Realms};
use crate::policy::view::{BoundView, DecisionView, Difference, EntryView, PolicyView, RealmView, ShadowView};
use crate::policy::{Sample, failure_name, verdict_in_words};
use crate::queue::question::Hook;
use crate::types::Digest;
use serde_json::{Value, json};
use std::cmp::Reverse;

impl Keeper {
    /// Every policy that these realms may see, the latest upload first, built-in ones last.
    pub(super) fn policy_views(&self, realms: &Realms) -> Vec<PolicyView> {
        let state = self.state();
        let mut kept: Vec<(Digest, u64)> = state.catalogue.policies.iter().map(|(d, kept)| (*d, kept.seq)).collect();
        kept.sort_by_key(|(digest, seq)| (Reverse(*seq), *digest));
        let mut all: Vec<Digest> = kept.into_iter().map(|(digest, _)| digest).collect();
        let mut own: Vec<Digest> = self.workshop.all_built_in().map(|(digest, _)| digest).collect();
        own.sort_unstable();
        all.extend(own.into_iter().filter(|digest| !state.catalogue.policies.contains_key(digest)));
        all.into_iter().filter_map(|policy| self.view_of(policy, realms, &state.catalogue)).collect()
    }

    pub(super) fn policy_view(&self, policy: Digest, realms: &Realms) -> Option<PolicyView> {
        self.view_of(policy, realms, &self.state().catalogue)
    }

    fn view_of(&self, policy: Digest, realms: &Realms, state: &Catalogue) -> Option<PolicyView> {
        let mut view = match (self.workshop.built_in(policy), state.policies.get(&policy)) {
            (Some(own), _) => built_in_view(policy, own),
            (None, Some(kept)) if state.is_shown(policy, realms) => kept_view(policy, kept, realms),
            _ => return None,
        };
        view.bound = bound(state, policy, &self.rules);
        view.bound.retain(|place| realms.contain(&place.realm));
        Some(view)
    }

    pub(super) fn realm_view(&self, realm: &str) -> Result<RealmView, PoliciesError> {
        if !self.rules.realms.contains(realm) {
            return Err(PoliciesError::NoSuchRealm(realm.to_owned()));
        }
        let state = self.state();
        let decisions = Hook::ALL.map(|hook| self.decision_view(realm, hook, &state.catalogue)).into();
        Ok(RealmView { realm: realm.to_owned(), decisions })
    }

    fn decision_view(&self, realm: &str, hook: Hook, state: &Catalogue) -> DecisionView {
        let slot = state.slot(realm, hook);
        let baseline = self.rules.baseline.answers(hook).then(|| self.baseline_view(slot));
        let own = Realms::one(realm);
        let view = |bound: &Bound| self.bound_view(bound, &own, state);
        let mut earlier: Vec<BoundView> = slot.earlier().map(view).collect();
        let active = match slot.active() {
            Some(bound) => {
                earlier.extend(baseline);
                Some(BoundView { trouble: self.trouble(realm, hook, slot), ..view(bound) })
            }
            None => baseline.map(|baseline| {
                let trouble = baseline.trouble.clone().or_else(|| self.trouble(realm, hook, slot));
                BoundView { trouble, ..baseline }
            }),
        };
        let shadow = slot.shadow.as_ref().map(|bound| self.shadow_view(realm, hook, view(bound)));
        DecisionView { decision: hook.name().to_owned(), active, shadow, earlier }
    }

    fn bound_view(&self, bound: &Bound, realms: &Realms, state: &Catalogue) -> BoundView {
        let kept = state.policies.get(&bound.policy).and_then(|kept| kept.name_for(realms)).map(str::to_owned);
        let own = || self.workshop.built_in(bound.policy).and_then(|own| own.name).map(str::to_owned);
        BoundView {
            policy: bound.policy.to_string(),
            name: kept.or_else(own),
            settings: json_of(&bound.settings),
            since: Some(bound.since.to_string()),
            by: Some(bound.by.0.clone()),
            reason: Some(bound.reason.clone()),
            trouble: None,
        }
    }

    fn baseline_view(&self, slot: &Slot) -> BoundView {
        let policy = self.rules.baseline.policy;
        let tripped = slot.tripped_baseline == Some(policy);
        let trouble = "it was tripped: the standard rule decides until a policy is activated";
        BoundView {
            policy: policy.to_string(),
            name: self.workshop.built_in(policy).and_then(|own| own.name).map(str::to_owned),
            settings: json_of(NO_SETTINGS),
            since: None,
            by: None,
            reason: None,
            trouble: tripped.then(|| trouble.to_owned()),
        }
    }

    /// What is wrong with what decides, or was with what decided before it.
    fn trouble(&self, realm: &str, hook: Hook, slot: &Slot) -> Option<String> {
        match self.host.health(realm, hook) {
            Some(health) if health.tripped => {
                return Some("it was tripped: the standard rule decides until it is taken off".to_owned());
            }
            Some(health) if health.failures > 0 => {
                let (failures, window) = (health.failures, self.limits.trip_window_secs);
                return Some(format!("it failed {failures} times within the last {window} seconds"));
            }
            _ => {}
        }
        slot.trouble.as_ref().map(trouble_in_words)
    }

    fn shadow_view(&self, realm: &str, hook: Hook, bound: BoundView) -> ShadowView {
        let count = self.host.shadow(realm, hook).unwrap_or_default();
        ShadowView {
            bound,
            asked: count.asked,
            same: count.same,
            different: count.different,
            failed: count.failed,
            dropped: count.dropped,
            samples: count.samples.iter().map(difference).collect(),
        }
    }
}

fn difference(sample: &Sample) -> Difference {
    let failed = |failure: &_| format!("failed: {}", failure_name(*failure));
    Difference {
        at: sample.at.to_string(),
        message: sample.message.to_string(),
        active: verdict_in_words(&sample.active),
        shadow: sample.shadow.as_ref().map_or_else(failed, verdict_in_words),
    }
}

fn trouble_in_words(trouble: &Trouble) -> String {
    let Trouble { policy, at, what } = trouble;
    match what {
        TroubleKind::Tripped(failures) => format!("in place of {policy}, which failed {failures} times, since {at}"),
        TroubleKind::Unloadable(Role::Active, why) => format!("in place of {policy}, since {at}: {}", words_of(*why)),
        TroubleKind::Unloadable(Role::Shadow, why) => {
            format!("the shadow {policy} was taken off at {at}: {}", words_of(*why))
        }
        TroubleKind::Unloadable(Role::Earlier, why) => {
            format!("{policy} left the history at {at}: {}", words_of(*why))
        }
    }
}

const fn words_of(why: Unloadable) -> &'static str {
    match why {
        Unloadable::Missing => "its component is missing",
        Unloadable::Damaged => "its component is damaged",
        Unloadable::Unacceptable => "its component is not acceptable any more",
        Unloadable::Settings => "it refuses its settings",
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn names(hooks: &[Hook]) -> Vec<String> {
    hooks.iter().map(|hook| hook.name().to_owned()).collect()
}

fn built_in_view(policy: Digest, own: &BuiltIn) -> PolicyView {
    PolicyView {
        digest: policy.to_string(),
        name: own.name.map(str::to_owned),
        realms: None,
        state: "validated".to_owned(),
        bytes: own.octets.len() as u64,
        decides: names(&decides(&own.component)),
        settings_schema: own.component.schema().map(json_of),
        uploaded_at: None,
        uploaded_by: None,
        reason: None,
        signed_by: Vec::new(),
        bound: Vec::new(),
    }
}

fn kept_view(policy: Digest, kept: &Kept, realms: &Realms) -> PolicyView {
    let source = kept.uploads_for(realms).next();
    let for_realms: Option<Vec<String>> = kept.uploads.iter().map(|source| source.realm.clone()).collect();
    PolicyView {
        digest: policy.to_string(),
        name: kept.name_for(realms).map(str::to_owned),
        realms: for_realms.map(|all| all.into_iter().filter(|realm| realms.contain(realm)).collect()),
        state: if kept.retired { "retired" } else { "validated" }.to_owned(),
        bytes: kept.bytes,
        decides: names(&kept.decides),
        settings_schema: kept.schema.as_deref().map(json_of),
        uploaded_at: source.map(|source| source.at.to_string()),
        uploaded_by: source.map(|source| source.by.0.clone()),
        reason: source.map(|source| source.reason.clone()),
        signed_by: kept.signatures.iter().map(|signature| signature.key.clone()).collect(),
        bound: Vec::new(),
    }
}

/// Whether operators of these realms may see an entry: what it tells of is theirs, or everybody's.
pub(super) fn is_shown(entry: &Entry, realms: &Realms, state: &Catalogue) -> bool {
    let uploaded = |event: &event::PolicyUploaded| {
        let mut known = state.policies.get(&event.policy).into_iter().flat_map(|kept| kept.uploads_for(realms));
        event.realm.as_ref().is_none_or(|realm| realms.contain(realm))
            || state.is_shown(event.policy, realms) && known.any(|source| source.realm == event.realm)
    };
    let own = |event: &Event| match event {
        Event::PolicyUploaded(event) => uploaded(event),
        Event::PolicySigned(event::PolicySigned { policy, .. })
        | Event::PolicyRetired(event::PolicyRetired { policy }) => state.is_shown(*policy, realms),
        Event::UploadRefused(event) => match &event.realm {
            Some(realm) => realms.contain(realm),
            None => false,
        },
        Event::PolicyShadowed(event::PolicyShadowed { realm, .. })
        | Event::ShadowEnded(event::ShadowEnded { realm, .. })
        | Event::PolicyActivated(event::PolicyActivated { realm, .. })
        | Event::PolicyRolledBack(event::PolicyRolledBack { realm, .. })
        | Event::PolicyTripped(event::PolicyTripped { realm, .. })
        | Event::PolicyUnloadable(event::PolicyUnloadable { realm, .. }) => realms.contain(realm),
    };
    *realms == Realms::All || entry.events.iter().all(own)
}

/// An entry as the API shows it.
pub fn entry_view(written: &Written) -> EntryView {
    let entry = &written.entry;
    EntryView {
        seq: entry.seq,
        at: entry.at.to_string(),
        author: entry.author.0.clone(),
        reason: entry.reason.clone(),
        chain: written.chain.to_string(),
        events: entry.events.iter().map(event_view).collect(),
    }
}

fn event_view(event: &Event) -> Value {
    let mut view = match event {
        Event::PolicyUploaded(event::PolicyUploaded { policy, bytes, name, decides, schema, signature, realm }) => {
            json!({
                "policy": policy.to_string(), "bytes": bytes, "name": name, "decides": names(decides),
                "settings-schema": schema.as_deref().map(json_of), "signed-by": signature.as_ref().map(|by| &by.key),
                "realm": realm,
            })
        }
        Event::PolicySigned(event) => json!({ "policy": event.policy.to_string(), "signed-by": event.signature.key }),
        Event::UploadRefused(event) => json!({
            "policy": event.policy.map(|policy| policy.to_string()), "bytes": event.bytes, "cause": cause_view(&event.cause),
            "unrecorded": event.unrecorded, "realm": event.realm,
        }),
        Event::PolicyRetired(event) => json!({ "policy": event.policy.to_string() }),
        Event::PolicyShadowed(event) => json!({
            "realm": event.realm, "decisions": names(&event.hooks), "policy": event.policy.to_string(),
            "settings": json_of(&event.settings),
        }),
        Event::ShadowEnded(event) => json!({ "realm": event.realm, "decisions": names(&event.hooks) }),
        Event::PolicyActivated(event) => json!({
            "realm": event.realm, "decisions": names(&event.hooks), "policy": event.policy.to_string(),
            "settings": json_of(&event.settings),
        }),
        Event::PolicyRolledBack(event) => {
            let step = |step: &event::Step| json!({ "decision": step.hook.name(), "from": step.from.to_string(), "to": resort_view(step.to) });
            json!({ "realm": event.realm, "steps": event.steps.iter().map(step).collect::<Vec<_>>() })
        }
        Event::PolicyTripped(event) => json!({
            "realm": event.realm, "decision": event.hook.name(), "policy": event.policy.to_string(),
            "failures": event.failures, "to": resort_view(event.to),
        }),
        Event::PolicyUnloadable(event) => json!({
            "realm": event.realm, "decision": event.hook.name(), "policy": event.policy.to_string(),
            "role": role_view(event.role), "why": words_of(event.why), "to": resort_view(event.to),
        }),
    };
    if let Value::Object(view) = &mut view {
        view.insert("event".to_owned(), event.kind().name().into());
    }
    view
}

fn resort_view(resort: Resort) -> String {
    match resort {
        Resort::Earlier(policy) | Resort::Baseline(policy) => policy.to_string(),
        Resort::Standard => "the standard rule".to_owned(),
    }
}

const fn role_view(role: Role) -> &'static str {
    match role {
        Role::Active => "active",
        Role::Shadow => "shadow",
        Role::Earlier => "earlier",
    }
}

fn cause_view(cause: &RefusalCause) -> Value {
    match cause {
        RefusalCause::TooLarge => json!({ "kind": "too-large" }),
        RefusalCause::Unacceptable { findings } => json!({ "kind": "unacceptable", "findings": findings }),
        RefusalCause::Unsigned { realm } => json!({ "kind": "unsigned", "realm": realm }),
        RefusalCause::UnknownKey => json!({ "kind": "unknown-key" }),
        RefusalCause::OtherRealm { key } => json!({ "kind": "other-realm", "key": key }),
        RefusalCause::NotYet { key } => json!({ "kind": "not-yet-valid", "key": key }),
        RefusalCause::Expired { key } => json!({ "kind": "expired", "key": key }),
        RefusalCause::WrongSignature { key } => json!({ "kind": "wrong-signature", "key": key }),
        RefusalCause::SignatureForm => json!({ "kind": "signature-form" }),
        RefusalCause::Full { limit } => json!({ "kind": "full", "limit": limit }),
    }
}
