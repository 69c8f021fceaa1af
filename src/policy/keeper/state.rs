//! What the operator stream amounts to: which policies are kept, what is bound where, and what decided before.

use super::event::{
    Entry, Event, PolicyActivated, PolicyShadowed, PolicyUnloadable, PolicyUploaded, Resort, Role, SignedBy, Unloadable,
};
use crate::policy::policies::{Author, Realms};
use crate::queue::question::Hook;
use crate::types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Retired policies that are still listed; the stream itself forgets none.
pub const RETIRED_MAX: usize = 1000;

/// Everything that orders are decided on: the fold of all entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The last entry's number.
    pub seq: u64,
    pub policies: BTreeMap<Digest, Kept>,
    /// Realms that were ever spoken of, whether the configuration still has them or not.
    realms: BTreeMap<String, BTreeMap<Hook, Slot>>,
}

/// A policy, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Who brought it, the first one first: one for each realm, so no more than there ever were realms.
    pub uploads: Vec<Source>,
    /// Octets of its component.
    pub bytes: u64,
    pub decides: Vec<Hook>,
    /// Gone with the component when it is retired.
    pub schema: Option<String>,
    pub signatures: Vec<SignedBy>,
    /// Number of the entry that brought it: the order of uploads.
    pub seq: u64,
    pub retired: bool,
    /// Realms that could have gone back to it when it was retired.
    pub left: BTreeSet<String>,
}

/// Who brought a policy for a realm, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `None`: for all.
    pub realm: Option<String>,
    pub name: Option<String>,
    pub at: Timestamp,
    pub by: Author,
    pub reason: String,
}

impl Source {
    /// Whether it is of one of these realms, or of all.
    pub fn is_for(&self, realms: &Realms) -> bool {
        self.realm.as_ref().is_none_or(|realm| realms.contain(realm))
    }
}

impl Kept {
    /// Who brought it, as far as these realms may know: their own uploads. Who has it only because somebody else bound it
    /// there may know where it came from first.
    pub fn uploads_for(&self, realms: &Realms) -> impl Iterator<Item = &Source> {
        let own = self.uploads.iter().any(|source| source.is_for(realms));
        let (own, first) =
            if own { (&*self.uploads, &[][..]) } else { (&[][..], self.uploads.get(..1).unwrap_or(&[])) };
        own.iter().filter(|source| source.is_for(realms)).chain(first)
    }

    /// One signature of each key.
    fn sign(&mut self, signature: &SignedBy) {
        self.signatures.retain(|known| known.key != signature.key);
        self.signatures.push(signature.clone());
    }

    /// What it is called there.
    pub fn name_for(&self, realms: &Realms) -> Option<&str> {
        self.uploads_for(realms).find_map(|source| source.name.as_deref())
    }
}

/// One decision of one realm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// What orders bound, the latest last: that one decides. Below the first of them stands the baseline, always.
    pub placed: Vec<Bound>,
    pub shadow: Option<Bound>,
    /// This baseline was tripped here: the standard rule stands in for it. Another one starts afresh.
    pub tripped_baseline: Option<Digest>,
    /// What the server had to do by itself since the last order.
    pub trouble: Option<Trouble>,
}

/// A policy with settings, and whose order it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub policy: Digest,
    pub settings: Arc<str>,
    pub since: Timestamp,
    pub by: Author,
    pub reason: String,
}

impl Bound {
    /// Whether it is the same policy with the same settings, whoever bound it.
    pub fn is(&self, policy: Digest, settings: &str) -> bool {
        self.policy == policy && &*self.settings == settings
    }
}

/// What the configuration binds, everywhere and without settings, as long as no order says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub policy: Digest,
    /// The decisions that it exports; the standard rule takes the others.
    pub decides: Vec<Hook>,
}

impl Baseline {
    /// Whether it takes this decision.
    pub fn answers(&self, hook: Hook) -> bool {
        self.decides.contains(&hook)
    }
}

/// A policy that was taken off by the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub policy: Digest,
    pub at: Timestamp,
    pub what: TroubleKind,
}

/// Why it was taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// So many failures within the window.
    Tripped(u32),
    Unloadable(Role, Unloadable),
}

impl TroubleKind {
    const fn changed_who_decides(self) -> bool {
        matches!(self, Self::Tripped(_) | Self::Unloadable(Role::Active, _))
    }
}

impl Slot {
    /// What decides, unless it is the baseline.
    pub fn active(&self) -> Option<&Bound> {
        self.placed.last()
    }

    /// What decided before, the latest first; below the last of them, the baseline.
    pub fn earlier(&self) -> impl Iterator<Item = &Bound> {
        self.placed.iter().rev().skip(1)
    }

    /// Who decides here.
    pub fn resort(&self, hook: Hook, baseline: &Baseline) -> Resort {
        match self.placed.last() {
            Some(bound) => Resort::Earlier(bound.policy),
            None if baseline.answers(hook) && self.tripped_baseline != Some(baseline.policy) => {
                Resort::Baseline(baseline.policy)
            }
            None => Resort::Standard,
        }
    }

    /// As it will be when what decides now has tripped.
    #[must_use]
    pub fn fallen(&self, baseline: &Baseline) -> Self {
        let mut slot = self.clone();
        if slot.placed.is_empty() {
            slot.tripped_baseline = Some(baseline.policy);
        }
        slot.fall();
        slot
    }

    /// Takes one step back; what was taken off leaves the history as well if it did not do its work.
    fn fall(&mut self) {
        let Some(off) = self.placed.pop() else { return };
        self.placed.retain(|bound| !bound.is(off.policy, &off.settings));
        self.join();
    }

    /// Takes off what could not be made ready.
    pub(super) fn unload(&mut self, role: Role) {
        match role {
            Role::Active => self.fall(),
            Role::Shadow => self.shadow = None,
            Role::Earlier => {
                let active = self.placed.pop();
                self.fall();
                self.placed.extend(active);
                self.join();
            }
        }
    }

    /// What was taken out may have left the same binding twice: going back from a binding to itself is no step.
    fn join(&mut self) {
        self.placed.dedup_by(|later, earlier| later.is(earlier.policy, &earlier.settings));
    }
}

impl Catalogue {
    /// One decision of a realm; an empty one if nobody ever spoke of it.
    pub fn slot(&self, realm: &str, hook: Hook) -> &Slot {
        static EMPTY: Slot = Slot { placed: Vec::new(), shadow: None, tripped_baseline: None, trouble: None };
        self.realms.get(realm).and_then(|slots| slots.get(&hook)).unwrap_or(&EMPTY)
    }

    /// A policy that may be bound.
    pub fn validated(&self, policy: Digest) -> Option<&Kept> {
        self.policies.get(&policy).filter(|kept| !kept.retired)
    }

    /// The realms where a policy decides, is asked in the shadow, or could be gone back to, also such as the configuration
    /// does not have any more.
    pub fn used_in(&self, policy: Digest) -> impl Iterator<Item = &String> {
        let is = move |slot: &Slot| slot.placed.iter().chain(&slot.shadow).any(|bound| bound.policy == policy);
        self.realms.iter().filter(move |(_, slots)| slots.values().any(is)).map(|(realm, _)| realm)
    }

    /// Whether operators of these realms may know that there is this policy: it came for one of them, or is used there.
    pub fn is_shown(&self, policy: Digest, realms: &Realms) -> bool {
        let Some(kept) = self.policies.get(&policy) else { return false };
        kept.uploads.iter().any(|source| source.is_for(realms))
            || self.used_in(policy).chain(&kept.left).any(|realm| realms.contain(realm))
    }

    /// Policies whose components are kept, and the octets of these.
    pub fn room(&self) -> (usize, u64) {
        let kept = self.policies.values().filter(|kept| !kept.retired);
        kept.fold((0, 0), |(count, bytes), kept| (count + 1, bytes + kept.bytes))
    }

    /// Folds an entry in. Every entry can be, also one that no order would have led to.
    pub fn evolve(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        for event in &entry.events {
            self.apply(event, entry);
        }
    }

    fn apply(&mut self, event: &Event, entry: &Entry) {
        match event {
            Event::PolicyUploaded(event) => self.upload(event, entry),
            Event::PolicySigned(event) => {
                if let Some(kept) = self.policies.get_mut(&event.policy) {
                    kept.sign(&event.signature);
                }
            }
            Event::UploadRefused(_) => {}
            Event::PolicyRetired(event) => self.retire(event.policy),
            Event::PolicyShadowed(event) => self.shadow(event, entry),
            Event::ShadowEnded(event) => {
                event.hooks.iter().for_each(|hook| self.slot_mut(&event.realm, *hook).shadow = None);
            }
            Event::PolicyActivated(event) => self.activate(event, entry),
            Event::PolicyRolledBack(event) => {
                for step in &event.steps {
                    let slot = self.slot_mut(&event.realm, step.hook);
                    slot.placed.pop();
                    slot.trouble = None;
                }
            }
            Event::PolicyTripped(event) => {
                let slot = self.slot_mut(&event.realm, event.hook);
                if slot.placed.is_empty() {
                    slot.tripped_baseline = Some(event.policy);
                }
                slot.fall();
                let what = TroubleKind::Tripped(event.failures);
                slot.trouble = Some(Trouble { policy: event.policy, at: entry.at, what });
            }
            Event::PolicyUnloadable(event) => self.unload(event, entry.at),
        }
    }

    fn slot_mut(&mut self, realm: &str, hook: Hook) -> &mut Slot {
        self.realms.entry(realm.to_owned()).or_default().entry(hook).or_default()
    }

    fn upload(&mut self, event: &PolicyUploaded, entry: &Entry) {
        let source = Source {
            realm: event.realm.clone(),
            name: event.name.clone(),
            at: entry.at,
            by: entry.author.clone(),
            reason: entry.reason.clone(),
        };
        if let Some(kept) = self.policies.get_mut(&event.policy).filter(|kept| !kept.retired) {
            if kept.uploads.iter().all(|known| known.realm != source.realm) {
                kept.uploads.push(source);
            }
            event.signature.iter().for_each(|signature| kept.sign(signature));
            return;
        }
        let kept = Kept {
            uploads: vec![source],
            bytes: event.bytes,
            decides: event.decides.clone(),
            schema: event.schema.clone(),
            signatures: event.signature.iter().cloned().collect(),
            seq: entry.seq,
            retired: false,
            left: BTreeSet::new(),
        };
        self.policies.insert(event.policy, kept);
    }

    /// It leaves every history, and also the bindings of realms that the configuration does not have any more: nobody
    /// could take it off there.
    fn retire(&mut self, policy: Digest) {
        let left = self.used_in(policy).cloned().collect();
        let Some(kept) = self.policies.get_mut(&policy) else { return };
        kept.retired = true;
        kept.schema = None;
        kept.left = left;
        for slot in self.realms.values_mut().flat_map(BTreeMap::values_mut) {
            slot.placed.retain(|bound| bound.policy != policy);
            slot.join();
            slot.shadow.take_if(|bound| bound.policy == policy);
        }
        let retired = || self.policies.iter().filter(|(_, kept)| kept.retired);
        if retired().count() > RETIRED_MAX
            && let Some(oldest) = retired().min_by_key(|(_, kept)| kept.seq).map(|(policy, _)| *policy)
        {
            self.policies.remove(&oldest);
        }
    }

    fn shadow(&mut self, event: &PolicyShadowed, entry: &Entry) {
        let settings: Arc<str> = event.settings.as_str().into();
        for hook in &event.hooks {
            self.slot_mut(&event.realm, *hook).shadow = Some(bound(event.policy, &settings, entry));
        }
    }

    fn activate(&mut self, event: &PolicyActivated, entry: &Entry) {
        let settings: Arc<str> = event.settings.as_str().into();
        let most = usize::try_from(event.earlier_max).unwrap_or(usize::MAX).saturating_add(1);
        for hook in &event.hooks {
            let slot = self.slot_mut(&event.realm, *hook);
            slot.placed.push(bound(event.policy, &settings, entry));
            slot.placed.drain(..slot.placed.len().saturating_sub(most));
            slot.shadow.take_if(|shadow| shadow.policy == event.policy);
            slot.trouble = None;
        }
    }

    fn unload(&mut self, event: &PolicyUnloadable, at: Timestamp) {
        let slot = self.slot_mut(&event.realm, event.hook);
        slot.unload(event.role);
        // That something else decides weighs more than that something is missing beside it.
        let graver = slot.trouble.is_some_and(|trouble| trouble.what.changed_who_decides());
        if event.role == Role::Active || !graver {
            let what = TroubleKind::Unloadable(event.role, event.why);
            slot.trouble = Some(Trouble { policy: event.policy, at, what });
        }
    }
}

fn bound(policy: Digest, settings: &Arc<str>, entry: &Entry) -> Bound {
    Bound {
        policy,
        settings: Arc::clone(settings),
        since: entry.at,
        by: entry.author.clone(),
        reason: entry.reason.clone(),
    }
}
