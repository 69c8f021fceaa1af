//! A double of the port: it notes what it is asked, and answers or refuses as it is told.

use crate::admin::Views;
use crate::policy::check::{Facts, Fault, Report};
use crate::policy::policies::{Bind, Place, Policies, PoliciesError, Signed, Upload, Uploaded};
use crate::policy::view::{Binds, EntryView, PolicyView, RealmView};
use crate::types::Digest;
use bytes::Bytes;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// The digest of every policy there is.
pub(super) const POLICY: Digest = Digest([0xab; 32]);

#[derive(Default)]
pub(super) struct Fake {
    /// What was ordered, as it came.
    pub(super) orders: Mutex<Vec<String>>,
    /// What the next order is refused with.
    pub(super) refusal: Mutex<Option<PoliciesError>>,
    /// Why uploads were refused before they were given.
    pub(super) turned_away: Mutex<Vec<String>>,
    /// Where the policy is bound.
    pub(super) bound: Mutex<Vec<Binds>>,
    /// Uploads wait until this is free.
    pub(super) gate: Mutex<()>,
    /// Not the first upload of this.
    pub(super) known: bool,
    /// So long is the reason of each entry.
    pub(super) reason_bytes: usize,
    /// The octets of the policy.
    pub(super) component: Bytes,
}

impl Fake {
    pub(super) fn views(self) -> (Views, Arc<Self>) {
        let (views, fake) = (Views::default(), Arc::new(self));
        views.policies.fill(fake.clone());
        (views, fake)
    }

    pub(super) fn refuse(&self, error: PoliciesError) {
        *self.refusal.lock().unwrap() = Some(error);
    }

    /// What was ordered since the last time.
    pub(super) fn ordered(&self) -> Vec<String> {
        std::mem::take(&mut self.orders.lock().unwrap())
    }

    fn note<T>(&self, name: &str, order: &Signed<T>, what: &str) -> Result<(), PoliciesError> {
        let Signed { author, reason, .. } = order;
        self.orders.lock().unwrap().push(format!("{name} by {} ({reason}): {what}", author.0));
        self.refusal.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn view(&self) -> PolicyView {
        PolicyView {
            digest: POLICY.to_string(),
            name: Some("quiet".to_owned()),
            state: "validated".to_owned(),
            bytes: self.component.len() as u64,
            decides: vec!["expiry".to_owned()],
            settings_schema: None,
            uploaded_at: Some("2026-11-23T00:00:00.000Z".to_owned()),
            uploaded_by: Some("alice".to_owned()),
            reason: None,
            signed_by: Vec::new(),
            bound: self.bound.lock().unwrap().clone(),
        }
    }
}

fn realm_view(realm: &str) -> RealmView {
    RealmView { realm: realm.to_owned(), decisions: Vec::new() }
}

fn bind_text(bind: &Bind) -> String {
    format!("{} {} {:?} {:?}", bind.realm, &bind.policy.to_string()[..4], bind.decisions, bind.settings)
}

fn place_text(place: &Place) -> String {
    format!("{} {:?}", place.realm, place.decisions)
}

/// A report with one error.
pub(super) fn bad_report() -> Report {
    let fault = Fault::Settings { given: false, detail: "no".to_owned() };
    Report { facts: Facts::default(), faults: vec![fault], self_test: Vec::new() }
}

impl Policies for Fake {
    fn upload(&self, upload: Signed<Upload>) -> Result<Uploaded, PoliciesError> {
        let Upload { component, name, signature, realm } = &upload.order;
        let signature = signature.as_ref().map(|signature| (&signature.key, signature.octets.len()));
        self.note("upload", &upload, &format!("{} {name:?} {signature:?} {realm:?}", component.len()))?;
        let _waits = self.gate.lock().unwrap();
        let report = Report { facts: Facts::default(), faults: Vec::new(), self_test: Vec::new() };
        Ok(Uploaded { digest: POLICY, new: !self.known, report })
    }

    fn turned_away(&self, _: Signed<u64>, error: &PoliciesError) {
        self.turned_away.lock().unwrap().push(error.to_string());
    }

    fn resolve(&self, text: &str) -> Result<Digest, PoliciesError> {
        let known = text == "quiet" || POLICY.to_string().starts_with(text) && text.len() >= 8;
        if known { Ok(POLICY) } else { Err(PoliciesError::NoSuchPolicy(text.to_owned())) }
    }

    fn list(&self) -> Vec<PolicyView> {
        vec![self.view()]
    }

    fn show(&self, _: Digest) -> Result<PolicyView, PoliciesError> {
        Ok(self.view())
    }

    fn component(&self, _: Digest) -> Result<Bytes, PoliciesError> {
        Ok(self.component.clone())
    }

    fn realm(&self, realm: &str) -> Result<RealmView, PoliciesError> {
        if self.realms().iter().any(|known| known == realm) {
            Ok(realm_view(realm))
        } else {
            Err(PoliciesError::NoSuchRealm(realm.to_owned()))
        }
    }

    fn realms(&self) -> Vec<String> {
        vec!["ims.test".to_owned(), "other.test".to_owned()]
    }

    fn activate(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError> {
        self.note("activate", &bind, &bind_text(&bind.order))?;
        self.realm(&bind.order.realm)
    }

    fn shadow(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError> {
        self.note("shadow", &bind, &bind_text(&bind.order))?;
        self.realm(&bind.order.realm)
    }

    fn end_shadow(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError> {
        self.note("end-shadow", &place, &place_text(&place.order))?;
        self.realm(&place.order.realm)
    }

    fn rollback(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError> {
        self.note("rollback", &place, &place_text(&place.order))?;
        self.realm(&place.order.realm)
    }

    fn retire(&self, policy: Signed<Digest>) -> Result<PolicyView, PoliciesError> {
        self.note("retire", &policy, &policy.order.to_string()[..4])?;
        Ok(self.view())
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<EntryView>, PoliciesError> {
        let entry = |seq: u64| EntryView {
            seq,
            at: "2026-11-23T00:00:00.000Z".to_owned(),
            author: "alice".to_owned(),
            reason: "y".repeat(self.reason_bytes),
            chain: "00".repeat(32),
            // 1 is of no realm, 2 of one, 3 of the other, and so on.
            events: vec![match seq % 3 {
                1 => json!({ "event": "policy-uploaded" }),
                2 => json!({ "event": "policy-activated", "realm": "ims.test" }),
                _ => json!({ "event": "policy-activated", "realm": "other.test" }),
            }],
        };
        Ok((after + 1..=6).take(limit).map(entry).collect())
    }
}
