//! Taking components in: what is checked before one is kept, and what is written down of those that are not.

use super::decide::{Order, room_for};
use super::event::{Event, FINDINGS_MAX, PolicyUploaded, RefusalCause, SignedBy, UploadRefused};
use super::orders::Bench;
use super::{Keeper, texts, workshop};
use crate::policy::check::{Report, Severity};
use crate::policy::policies::{
    Announced, Policies as _, PoliciesError, Realms, SignatureError, Signed, Upload, Uploaded,
};
use crate::types::Digest;
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Refused uploads are written down at most once in this time: a stranger must not fill the disk.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// The right to have an upload examined.
struct Permit<'a>(&'a Keeper);

impl<'a> Permit<'a> {
    fn acquire(keeper: &'a Keeper) -> Result<Self, PoliciesError> {
        let most = keeper.limits.uploads_max;
        let more = |under_way: usize| (under_way < most).then_some(under_way + 1);
        match keeper.examined.fetch_update(Ordering::AcqRel, Ordering::Acquire, more) {
            Ok(_) => Ok(Self(keeper)),
            Err(_) => Err(PoliciesError::Busy(most)),
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.examined.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Keeper {
    /// Examines a component and keeps it, or writes down that it was refused.
    pub(super) fn take_in(&self, upload: Signed<Upload>) -> Result<Uploaded, PoliciesError> {
        texts::check_reason(&upload.reason)?;
        if let Some(name) = &upload.order.name {
            texts::check_name(name)?;
        }
        let policy = Digest::of(&upload.order.component);
        let Signed { author, reason, order: Upload { component, realm, .. } } = &upload;
        let announced = Announced { octets: component.len() as u64, realm: realm.clone() };
        let (author, reason) = (author.clone(), reason.clone());
        let result = self.accept(upload, policy);
        if let Err(error) = &result {
            self.note(Signed { author, reason, order: announced }, Some(policy), error);
        }
        result
    }

    /// Writes down that an upload was refused before it was read.
    pub(super) fn turn_away(&self, upload: Signed<Announced>, error: &PoliciesError) {
        let Signed { author, reason, order } = upload;
        // The reason was not looked at before.
        let reason = if texts::check_reason(&reason).is_ok() { reason } else { String::new() };
        self.note(Signed { author, reason, order }, None, error);
    }

    fn accept(&self, upload: Signed<Upload>, policy: Digest) -> Result<Uploaded, PoliciesError> {
        let Signed { author, reason, order } = upload;
        let Upload { component: octets, name, signature, realm } = order;
        let realm = realm.map(|realm| realm.to_ascii_lowercase());
        if let Some(realm) = realm.as_ref().filter(|realm| !self.rules.realms.contains(*realm)) {
            return Err(PoliciesError::NoSuchRealm(realm.clone()));
        }
        let (bytes, limit) = (octets.len() as u64, self.limits.component_bytes_max as u64);
        if bytes > limit {
            return Err(PoliciesError::TooLarge { octets: bytes, limit });
        }
        let checked = signature.map(|signature| self.keys.check(&signature, &octets, realm.as_deref(), self.now()));
        let signature = checked.transpose()?;
        if let Some(realm) = realm.as_deref().filter(|_| signature.is_none()) {
            self.believe(policy, &octets, realm)?;
        }
        let _permit = Permit::acquire(self)?;
        self.has_room(policy, bytes)?;
        let (report, component) = self.workshop.examine(&octets)?;
        let Some(component) = component else { return Err(PoliciesError::Unacceptable(Box::new(report))) };
        let (decides, schema) = (workshop::decides(&component), component.schema().map(str::to_owned));
        let uploaded = PolicyUploaded { policy, bytes, name, decides, schema, signature, realm };
        let kept = self.keep(Signed { author, reason, order: uploaded }, &octets, report);
        let is_unknown = || self.state().catalogue.validated(policy).is_none();
        if kept.is_err() && is_unknown() && self.workshop.built_in(policy).is_none() {
            // Its code was kept before the order was decided.
            self.workshop.forget(policy);
        }
        kept
    }

    /// Before anything slow is done for it.
    fn has_room(&self, policy: Digest, bytes: u64) -> Result<(), PoliciesError> {
        let state = self.state();
        if state.catalogue.validated(policy).is_some() {
            return Ok(());
        }
        room_for(&state.catalogue, bytes, &self.rules)
    }

    /// Keeps what was examined, and tells what came of it to the realm that it is for.
    fn keep(
        &self,
        uploaded: Signed<PolicyUploaded>,
        octets: &Bytes,
        report: Report,
    ) -> Result<Uploaded, PoliciesError> {
        let Signed { author, reason, order } = uploaded;
        let digest = order.policy;
        let realms = order.realm.as_deref().map_or(Realms::All, Realms::one);
        // Where it is bound already it is not new, whoever brought it.
        let known =
            self.state().catalogue.validated(digest).is_some() && self.state().catalogue.is_shown(digest, &realms);
        let order = Signed { author, reason, order: Order::Upload(order) };
        let events = self.carry_out(&order, Some(octets), &mut Bench::default())?;
        let signed = events.iter().any(|event| match event {
            Event::PolicyUploaded(event) => event.signature.is_some(),
            event => matches!(event, Event::PolicySigned(_)),
        });
        let name = self.show(digest, &realms)?.name;
        Ok(Uploaded { digest, new: !known, signed, name, report })
    }

    /// Whether a policy may be bound in a realm, as far as signatures go. Built-in ones need none: whoever can put
    /// another program or configuration there can do anything.
    ///
    /// # Errors
    /// [`PoliciesError::Unsigned`] or [`PoliciesError::Signature`].
    pub(super) fn believe(&self, policy: Digest, octets: &[u8], realm: &str) -> Result<(), PoliciesError> {
        if !self.signed_realms.contains(realm) || self.workshop.built_in(policy).is_some() {
            return Ok(());
        }
        let signatures: Vec<SignedBy> =
            self.state().catalogue.policies.get(&policy).map(|kept| kept.signatures.clone()).unwrap_or_default();
        match self.keys.believe(&signatures, octets, realm, self.now()) {
            Ok(()) => Ok(()),
            Err(None) => Err(PoliciesError::Unsigned { realm: realm.to_owned() }),
            Err(Some(error)) => Err(error.into()),
        }
    }

    /// What the stream says of a refusal; nothing of a typing error, or of the server's own failure.
    fn cause(&self, error: &PoliciesError) -> Option<RefusalCause> {
        // Only names of the configuration are kept: whoever comes may write anything there.
        let known = |key: &String| self.keys.knows(key).then(|| key.clone());
        let signature = |error: &SignatureError| match error {
            SignatureError::NoSuchKey(_) => Some(RefusalCause::UnknownKey),
            SignatureError::OtherRealm(key) => Some(RefusalCause::OtherRealm { key: known(key)? }),
            SignatureError::NotYet(key) => Some(RefusalCause::NotYet { key: known(key)? }),
            SignatureError::Expired(key) => Some(RefusalCause::Expired { key: known(key)? }),
            SignatureError::Wrong(key) => Some(RefusalCause::WrongSignature { key: known(key)? }),
            SignatureError::Form => Some(RefusalCause::SignatureForm),
        };
        match error {
            PoliciesError::TooLarge { .. } => Some(RefusalCause::TooLarge),
            PoliciesError::Unacceptable(report) => {
                let findings = report.findings().into_iter().filter(|finding| finding.severity == Severity::Error);
                let findings = findings.map(|finding| finding.kind.to_owned()).take(FINDINGS_MAX).collect();
                Some(RefusalCause::Unacceptable { findings })
            }
            PoliciesError::Unsigned { realm } => Some(RefusalCause::Unsigned { realm: realm.clone() }),
            PoliciesError::Signature(error) => signature(error).or(Some(RefusalCause::UnknownKey)),
            PoliciesError::Full { what, .. } => Some(RefusalCause::Full { limit: (*what).to_owned() }),
            _ => None,
        }
    }

    /// Writes a refusal down, unless the last one was only just.
    fn note(&self, upload: Signed<Announced>, policy: Option<Digest>, error: &PoliciesError) {
        let Some(cause) = self.cause(error) else { return };
        let now = self.now();
        let mut state = self.state();
        let (last, unrecorded) = state.refused;
        if last.is_some_and(|last| now.since(last) < REFUSALS_EVERY) {
            state.refused.1 = unrecorded.saturating_add(1);
            return;
        }
        state.refused = (Some(now), 0);
        drop(state);
        let Signed { author, reason, order: Announced { octets, realm } } = upload;
        // As with keys: only names of the configuration.
        let realm = realm.map(|realm| realm.to_ascii_lowercase()).filter(|realm| self.rules.realms.contains(realm));
        let order = Order::Refuse(UploadRefused { policy, bytes: octets, cause, unrecorded, realm });
        if let Err(error) = self.carry_out(&Signed { author, reason, order }, None, &mut Bench::default()) {
            tracing::warn!(target: "policy", %error, "a refused upload could not be written down");
        }
    }
}
