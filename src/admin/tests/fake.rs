//! A double of the port: it notes what it is asked, and answers or refuses as it is told.

use crate::admin::Views;
use crate::policy::check::{Facts, Fault, Report};
use crate::policy::policies::{
    Announced, Bind, Entries, Place, Policies, PoliciesError, Realms, Retire, Signed, Upload, Uploaded,
};
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
    /// The realm that the policy came for.
    pub(super) realm: Option<&'static str>,
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
            realms: self.realm.map(|realm| vec![realm.to_owned()]),
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
        Ok(Uploaded { digest: POLICY, new: !self.known, signed: signature.is_some(), name: name.clone(), report })
    }

    fn turned_away(&self, _: Signed<Announced>, error: &PoliciesError) {
        self.turned_away.lock().unwrap().push(error.to_string());
    }

    fn resolve(&self, text: &str, realms: &Realms) -> Result<Digest, PoliciesError> {
        let known = text == "quiet" || POLICY.to_string().starts_with(&text.to_ascii_lowercase()) && text.len() >= 8;
        let seen = self.realm.is_none_or(|realm| realms.contain(realm));
        if known && seen { Ok(POLICY) } else { Err(PoliciesError::NoSuchPolicy(text.to_owned())) }
    }

    fn list(&self, realms: &Realms) -> Vec<PolicyView> {
        self.show(POLICY, realms).into_iter().collect()
    }

    fn show(&self, policy: Digest, realms: &Realms) -> Result<PolicyView, PoliciesError> {
        let mut view = self.view();
        view.bound.retain(|place| realms.contain(&place.realm));
        let seen = self.realm.is_none_or(|realm| realms.contain(realm));
        if seen { Ok(view) } else { Err(PoliciesError::NoSuchPolicy(policy.to_string())) }
    }

    fn component(&self, policy: Digest, realms: &Realms) -> Result<Bytes, PoliciesError> {
        self.show(policy, realms).map(|_| self.component.clone())
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

    fn retire(&self, retire: Signed<Retire>) -> Result<PolicyView, PoliciesError> {
        let Retire { policy, sees, operates } = &retire.order;
        self.note("retire", &retire, &format!("{} {sees:?} {operates:?}", &policy.to_string()[..4]))?;
        self.show(*policy, sees)
    }

    fn events(&self, after: u64, limit: usize, realms: &Realms) -> Result<Entries, PoliciesError> {
        let entry = |seq: u64| EntryView {
            seq,
            at: "2026-11-23T00:00:00.000Z".to_owned(),
            author: "alice".to_owned(),
            reason: String::new(),
            chain: "00".repeat(32),
            // 1 is of no realm, 2 of one, 3 of the other, and so on.
            events: vec![match seq % 3 {
                1 => json!({ "event": "policy-uploaded" }),
                2 => json!({ "event": "policy-activated", "realm": "ims.test" }),
                _ => json!({ "event": "policy-activated", "realm": "other.test" }),
            }],
        };
        let of = |seq: u64| match seq % 3 {
            1 => None,
            2 => Some("ims.test"),
            _ => Some("other.test"),
        };
        let found: Vec<u64> = (after + 1..=6).take(limit).collect();
        let shown = found.iter().filter(|seq| of(**seq).is_none_or(|realm| realms.contain(realm)));
        Ok(Entries { entries: shown.map(|seq| entry(*seq)).collect(), next: found.last().copied().unwrap_or(after) })
    }
}
