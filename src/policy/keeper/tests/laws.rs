//! What holds after every order there may be, and what single orders come to.

use super::*;
use crate::policy::keeper::decide::{Order, decide};
use crate::policy::keeper::event::{RefusalCause, Resort, Role, Unloadable, UploadRefused};
use crate::policy::keeper::state::{Catalogue, Slot, TroubleKind};
use crate::policy::policies::PoliciesError;
use proptest::prelude::*;

/// Orders one after another, each written down and folded in as the keeper does.
struct Story {
    state: Catalogue,
    entries: Vec<Entry>,
    rules: Rules,
}

impl Story {
    fn new() -> Self {
        Self { state: Catalogue::default(), entries: Vec::new(), rules: rules() }
    }

    /// With these policies, all of which decide everything.
    fn of(policies: &[u8]) -> Self {
        let mut story = Self::new();
        for n in policies {
            story.order(&Order::Upload(upload(*n, &Hook::ALL))).unwrap();
        }
        story
    }

    fn order(&mut self, order: &Order) -> Result<Vec<Event>, PoliciesError> {
        let events = decide(&self.state, order, &self.rules)?;
        if !events.is_empty() {
            let entry = entry(self.state.seq + 1, events.clone());
            self.state.evolve(&entry);
            self.entries.push(entry);
        }
        Ok(events)
    }

    fn activate(&mut self, realm: &str, n: u8) -> Vec<Event> {
        self.order(&Order::Activate(bind(realm, n, None, "{}"))).unwrap()
    }

    fn rollback(&mut self, realm: &str) -> Result<Vec<Event>, PoliciesError> {
        self.order(&Order::Rollback { realm: realm.to_owned(), decisions: None })
    }

    fn trip(&mut self, hook: Hook, policy: Digest) -> Vec<Event> {
        self.order(&Order::Trip { realm: EAST.to_owned(), hook, policy, failures: 20 }).unwrap()
    }

    fn slot(&self, hook: Hook) -> &Slot {
        self.state.slot(EAST, hook)
    }

    fn resort(&self, hook: Hook) -> Resort {
        self.slot(hook).resort(hook, &self.rules.baseline)
    }

    /// Policies of the slot, what decides first.
    fn stack(&self, hook: Hook) -> Vec<u8> {
        self.slot(hook).placed.iter().rev().map(|bound| bound.policy.0[0]).collect()
    }
}

fn hooks() -> impl Strategy<Value = Option<Vec<Hook>>> {
    let some = prop::sample::subsequence(Hook::ALL.to_vec(), 0..=Hook::ALL.len());
    prop_oneof![Just(None), some.prop_map(Some)]
}

fn realm() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(EAST), 8 => Just(WEST), 1 => Just("nowhere.test")].prop_map(str::to_owned)
}

fn for_realm() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec![EAST.to_owned(), WEST.to_owned()]))
}

/// By an operator of this realm, or of all.
fn by(policy: Digest, realm: Option<&str>) -> Retire {
    let realms = realm.map_or(Realms::All, Realms::one);
    Retire { policy, sees: realms.clone(), operates: realms }
}

fn binds() -> impl Strategy<Value = Bind> {
    let settings = prop_oneof![Just("{}"), Just("{\"a\":1}")];
    (realm(), 1..6_u8, hooks(), settings, any::<bool>()).prop_map(|(realm, n, decisions, settings, built_in)| {
        let bind = bind(&realm, n, decisions.as_deref(), settings);
        // Policy 5 is built in.
        let own = (n == 5 && built_in).then(|| upload(5, &Hook::ALL));
        Bind { built_in: own, ..bind }
    })
}

fn orders() -> impl Strategy<Value = Order> {
    let decides = prop::sample::subsequence(Hook::ALL.to_vec(), 1..=Hook::ALL.len());
    let policy = || prop_oneof![(1..6_u8).prop_map(digest), Just(BASELINE)];
    let hook = || prop::sample::select(Hook::ALL.to_vec());
    let role = prop::sample::select(vec![Role::Active, Role::Shadow, Role::Earlier]);
    let why = Unloadable::Missing;
    let refused =
        UploadRefused { policy: Some(digest(9)), bytes: 1, cause: RefusalCause::TooLarge, unrecorded: 0, realm: None };
    prop_oneof![
        4 => (1..6_u8, decides, for_realm())
            .prop_map(|(n, decides, realm)| Order::Upload(PolicyUploaded { realm, ..upload(n, &decides) })),
        8 => binds().prop_map(Order::Activate),
        3 => binds().prop_map(Order::Shadow),
        2 => (realm(), hooks()).prop_map(|(realm, decisions)| Order::EndShadow { realm, decisions }),
        4 => (realm(), hooks()).prop_map(|(realm, decisions)| Order::Rollback { realm, decisions }),
        2 => (policy(), for_realm()).prop_map(|(policy, realm)| Order::Retire(by(policy, realm.as_deref()))),
        3 => (realm(), hook(), policy()).prop_map(|(realm, hook, policy)| Order::Trip { realm, hook, policy, failures: 3 }),
        3 => (realm(), hook(), policy(), role)
            .prop_map(move |(realm, hook, policy, role)| Order::Unload { realm, hook, policy, role, why }),
        1 => Just(Order::Refuse(refused)),
    ]
}

/// A bound policy is never retired; no history is longer than allowed, none goes from a binding to itself; the catalogue
/// keeps to its limits.
fn holds(story: &Story) {
    for realm in [EAST, WEST] {
        for hook in Hook::ALL {
            let slot = story.state.slot(realm, hook);
            for bound in slot.placed.iter().chain(&slot.shadow) {
                let kept = story.state.validated(bound.policy).unwrap_or_else(|| panic!("{bound:?} is retired"));
                assert!(kept.decides.contains(&hook), "{bound:?} does not decide {hook:?}");
            }
            assert!(slot.earlier().count() <= story.rules.earlier_max as usize);
            assert!(slot.placed.windows(2).all(|two| !two[0].is(two[1].policy, &two[1].settings)));
            let mut bare = slot.clone();
            bare.placed.clear();
            let baseline = Resort::Baseline(BASELINE);
            let bottom =
                if hook == Hook::Notification || slot.tripped_baseline.is_some() { Resort::Standard } else { baseline };
            assert_eq!(bare.resort(hook, &story.rules.baseline), bottom, "the baseline is at the bottom");
        }
    }
    let (count, bytes) = story.state.room();
    // For the one that is built in there is always room.
    assert!(count <= story.rules.catalogue_max + 1 && bytes <= story.rules.catalogue_bytes_max + 100);
}

/// What an operator of the east lets go was for the east alone.
fn nothing_of_others_goes(state: &Catalogue, order: &Order, rules: &Rules) {
    let Order::Retire(retire) = order else { return };
    if retire.operates != Realms::one(EAST) || decide(state, order, rules).is_err() {
        return;
    }
    let kept = &state.policies[&retire.policy];
    assert!(kept.uploads.iter().all(|source| source.realm.as_deref() == Some(EAST)), "{kept:?}");
    for hook in Hook::ALL {
        let mut west = state.slot(WEST, hook).placed.iter().chain(&state.slot(WEST, hook).shadow);
        assert!(west.all(|bound| bound.policy != retire.policy), "the west could go back to it");
    }
}

/// Going back after an activation leads to where it started, but for a shadow that ended and a history that was full.
fn comes_back(before: &Story, bind: &Bind) {
    let mut story = Story { state: before.state.clone(), entries: Vec::new(), rules: before.rules.clone() };
    let Ok(events) = story.order(&Order::Activate(bind.clone())) else { return };
    let Some(hooks) = events.iter().find_map(|event| match event {
        Event::PolicyActivated(activated) => Some(activated.hooks.clone()),
        _ => None,
    }) else {
        return;
    };
    story.order(&Order::Rollback { realm: bind.realm.clone(), decisions: Some(hooks.clone()) }).unwrap();
    for hook in hooks {
        let (was, is) = (before.state.slot(&bind.realm, hook), story.state.slot(&bind.realm, hook));
        let forgotten = was.placed.len().saturating_sub(story.rules.earlier_max as usize);
        assert_eq!(is.placed, was.placed[forgotten..]);
        assert_eq!(is.tripped_baseline, was.tripped_baseline);
    }
}

proptest! {
    #[test]
    fn whatever_is_ordered_the_laws_hold(orders in prop::collection::vec(orders(), 1..80)) {
        let mut story = Story::new();
        for order in &orders {
            if let Order::Activate(bind) = order {
                comes_back(&story, bind);
            }
            let before = story.state.clone();
            nothing_of_others_goes(&before, order, &story.rules);
            // A refused order is as good as any here: it must change nothing.
            if story.order(order).is_err() {
                prop_assert_eq!(&before, &story.state);
            }
            holds(&story);
        }
        let read = story.entries.iter().map(|entry| Entry::decode(&entry.encode()).unwrap());
        let again = read.fold(Catalogue::default(), |mut state, entry| {
            state.evolve(&entry);
            state
        });
        prop_assert_eq!(again, story.state, "the same entries make the same state");
    }
}

#[test]
fn steps_back_lead_to_the_baseline_and_no_further() {
    let mut story = Story::of(&[1, 2]);
    story.activate(EAST, 1);
    story.activate(EAST, 2);
    assert_eq!(story.stack(Hook::Expiry), [2, 1]);
    story.rollback(EAST).unwrap();
    assert_eq!(story.resort(Hook::Expiry), Resort::Earlier(digest(1)));
    story.rollback(EAST).unwrap();
    assert_eq!(story.resort(Hook::Expiry), Resort::Baseline(BASELINE));
    assert_eq!(story.resort(Hook::Notification), Resort::Standard, "the baseline does not decide it");
    assert!(matches!(story.rollback(EAST), Err(PoliciesError::NothingToRollBack { realm }) if realm == EAST));
    assert_eq!(story.state.slot(WEST, Hook::Expiry), &Slot::default(), "another realm is another matter");
}

#[test]
fn a_history_remembers_so_many_and_the_baseline() {
    let mut story = Story::of(&[1, 2]);
    for n in 0..10 {
        story.order(&Order::Activate(bind(EAST, 1, None, &format!("{{\"n\":{n}}}")))).unwrap();
    }
    assert_eq!(story.slot(Hook::Expiry).placed.len(), 4);
    for _ in 0..4 {
        story.rollback(EAST).unwrap();
    }
    assert_eq!(story.resort(Hook::Expiry), Resort::Baseline(BASELINE));
}

/// A stream must not mean something else because a limit was changed since.
#[test]
fn what_was_remembered_does_not_depend_on_the_configuration_of_today() {
    let mut story = Story::of(&[1, 2, 3]);
    story.rules.earlier_max = 1;
    for n in [1, 2, 3] {
        story.activate(EAST, n);
    }
    assert_eq!(story.stack(Hook::Expiry), [3, 2]);
    story.rules.earlier_max = 16;
    story.activate(EAST, 1);
    assert_eq!(story.stack(Hook::Expiry), [1, 3, 2]);
}

#[test]
fn what_is_so_already_is_no_entry() {
    let mut story = Story::of(&[1]);
    assert_eq!(story.activate(EAST, 1).len(), 1);
    assert_eq!(story.activate(EAST, 1), []);
    let shadow = Order::Shadow(bind(EAST, 1, Some(&[Hook::Expiry]), "{\"a\":1}"));
    assert_eq!(story.order(&shadow).unwrap().len(), 1);
    assert_eq!(story.order(&shadow).unwrap(), []);
    assert_eq!(story.order(&Order::Upload(upload(1, &Hook::ALL))).unwrap(), []);
    // Its shadow has nothing more to show, though.
    assert!(matches!(story.activate(EAST, 1).as_slice(), [Event::ShadowEnded(_)]));
}

#[test]
fn a_policy_takes_only_decisions_that_it_exports() {
    let mut story = Story::new();
    story.order(&Order::Upload(upload(1, &[Hook::Expiry, Hook::Handling]))).unwrap();
    let wrong = Order::Activate(bind(EAST, 1, Some(&[Hook::Expiry, Hook::Delivery]), "{}"));
    assert!(matches!(story.order(&wrong), Err(PoliciesError::NotDecided { .. })));
    let none = Order::Shadow(bind(EAST, 1, Some(&[]), "{}"));
    assert!(matches!(story.order(&none), Err(PoliciesError::NotDecided { .. })));
    story.activate(EAST, 1);
    assert_eq!((story.stack(Hook::Expiry), story.stack(Hook::Delivery)), (vec![1], vec![]));
}

#[test]
fn wrong_orders_say_why() {
    let mut story = Story::of(&[1, 2]);
    let order = |story: &mut Story, order: Order| story.order(&order).unwrap_err();
    let nowhere = || "nowhere.test".to_owned();
    let unknown = order(&mut story, Order::Activate(bind(EAST, 7, None, "{}")));
    assert!(matches!(unknown, PoliciesError::NoSuchPolicy(_)));
    let realm = order(&mut story, Order::Activate(bind("nowhere.test", 1, None, "{}")));
    assert!(matches!(realm, PoliciesError::NoSuchRealm(_)));
    let realm = order(&mut story, Order::EndShadow { realm: nowhere(), decisions: None });
    assert!(matches!(realm, PoliciesError::NoSuchRealm(_)));
    let realm = order(&mut story, Order::Rollback { realm: nowhere(), decisions: None });
    assert!(matches!(realm, PoliciesError::NoSuchRealm(_)));
    let none = order(&mut story, Order::EndShadow { realm: EAST.to_owned(), decisions: None });
    assert!(matches!(none, PoliciesError::NothingShadowed { .. }));
    assert!(matches!(order(&mut story, Order::Retire(retire(BASELINE))), PoliciesError::BuiltIn));
    assert!(matches!(order(&mut story, Order::Retire(retire(digest(7)))), PoliciesError::NoSuchPolicy(_)));
    story.activate(EAST, 1);
    story.order(&Order::Shadow(bind(WEST, 1, Some(&[Hook::Expiry]), "{}"))).unwrap();
    match order(&mut story, Order::Retire(retire(digest(1)))) {
        PoliciesError::InUse { bound, elsewhere } => assert_eq!((bound.len(), elsewhere), (6, false), "{bound:?}"),
        other => panic!("{other}"),
    }
    story.order(&Order::Retire(retire(digest(2)))).unwrap();
    assert!(matches!(order(&mut story, Order::Retire(retire(digest(2)))), PoliciesError::Retired(_)));
    assert!(matches!(order(&mut story, Order::Activate(bind(EAST, 2, None, "{}"))), PoliciesError::Retired(_)));
}

#[test]
fn a_retired_policy_leaves_every_history_and_may_come_again() {
    let mut story = Story::of(&[1, 2]);
    story.activate(EAST, 1);
    story.activate(EAST, 2);
    story.activate(EAST, 1);
    story.order(&Order::Retire(retire(digest(2)))).unwrap();
    assert_eq!(story.stack(Hook::Expiry), [1], "and what it separated has become one");
    story.order(&Order::Upload(upload(2, &Hook::ALL))).unwrap();
    story.activate(EAST, 2);
    assert_eq!(story.stack(Hook::Expiry), [2, 1]);
}

#[test]
fn the_catalogue_has_room_for_so_many_and_so_much() {
    let mut story = Story::of(&[1, 2, 3, 4]);
    let full = story.order(&Order::Upload(upload(5, &Hook::ALL))).unwrap_err();
    assert!(matches!(full, PoliciesError::Full { what: "policy.catalogue-max", limit: 4 }));
    story.order(&Order::Retire(retire(digest(4)))).unwrap();
    let big = PolicyUploaded { bytes: 701, ..upload(5, &Hook::ALL) };
    let full = story.order(&Order::Upload(big)).unwrap_err();
    assert!(matches!(full, PoliciesError::Full { what: "policy.catalogue-bytes-max", limit: 1000 }));
    story.order(&Order::Upload(PolicyUploaded { bytes: 700, ..upload(5, &Hook::ALL) })).unwrap();
}

#[test]
fn a_built_in_policy_is_kept_before_it_is_bound() {
    let mut story = Story::new();
    let bind = Bind { built_in: Some(upload(5, &Hook::ALL)), ..bind(EAST, 5, None, "{}") };
    let events = story.order(&Order::Activate(bind.clone())).unwrap();
    assert!(matches!(events.as_slice(), [Event::PolicyUploaded(_), Event::PolicyActivated(_)]), "{events:?}");
    story.rollback(EAST).unwrap();
    let events = story.order(&Order::Activate(bind)).unwrap();
    assert!(matches!(events.as_slice(), [Event::PolicyActivated(_)]), "once is enough: {events:?}");
}

#[test]
fn for_a_built_in_policy_there_is_always_room() {
    let mut story = Story::of(&[1, 2, 3, 4]);
    let bind = Bind { built_in: Some(upload(5, &Hook::ALL)), ..bind(EAST, 5, None, "{}") };
    story.order(&Order::Activate(bind)).unwrap();
    assert_eq!(story.stack(Hook::Expiry), [5]);
}

#[test]
fn a_trip_leads_to_the_last_good_one_of_that_decision_alone() {
    let mut story = Story::of(&[1, 2]);
    story.activate(EAST, 1);
    story.activate(EAST, 2);
    story.activate(EAST, 1);
    let events = story.trip(Hook::Expiry, digest(1));
    assert!(
        matches!(events.as_slice(), [Event::PolicyTripped(t)] if t.to == Resort::Earlier(digest(2)) && t.failures == 20)
    );
    assert_eq!(story.stack(Hook::Expiry), [2], "what tripped is not good: no step leads back to it");
    assert_eq!(story.stack(Hook::Handling), [1, 2, 1]);
    let trouble = story.slot(Hook::Expiry).trouble.unwrap();
    assert_eq!((trouble.policy, trouble.what), (digest(1), TroubleKind::Tripped(20)));
    assert_eq!(story.trip(Hook::Expiry, digest(1)), [], "an alarm that comes late is about nothing");
    story.activate(EAST, 1);
    assert_eq!(story.slot(Hook::Expiry).trouble, None, "an order is a new beginning");
}

#[test]
fn a_tripped_baseline_leaves_the_standard_rule_until_there_is_another() {
    let mut story = Story::of(&[1]);
    let events = story.trip(Hook::Expiry, BASELINE);
    assert!(matches!(events.as_slice(), [Event::PolicyTripped(tripped)] if tripped.to == Resort::Standard));
    assert_eq!(story.resort(Hook::Expiry), Resort::Standard);
    assert_eq!(story.resort(Hook::Handling), Resort::Baseline(BASELINE));
    assert_eq!(story.trip(Hook::Expiry, BASELINE), []);
    story.activate(EAST, 1);
    story.rollback(EAST).unwrap();
    assert_eq!(story.resort(Hook::Expiry), Resort::Standard, "going back leads to where it was");
    story.rules.baseline.policy = digest(8);
    assert_eq!(story.resort(Hook::Expiry), Resort::Baseline(digest(8)), "another baseline has not failed here");
}

#[test]
fn what_cannot_be_made_ready_is_taken_off_where_it_stands() {
    let mut story = Story::of(&[1, 2, 3]);
    story.activate(EAST, 1);
    story.activate(EAST, 2);
    story.order(&Order::Shadow(bind(EAST, 3, None, "{}"))).unwrap();
    let unload = |n: u8, role: Role| {
        let (realm, policy, hook, why) = (EAST.to_owned(), digest(n), Hook::Expiry, Unloadable::Damaged);
        Order::Unload { realm, hook, policy, role, why }
    };
    assert_eq!(story.order(&unload(3, Role::Active)).unwrap(), [], "it is not there");
    story.order(&unload(1, Role::Earlier)).unwrap();
    assert_eq!(story.stack(Hook::Expiry), [2]);
    story.order(&unload(3, Role::Shadow)).unwrap();
    assert_eq!(story.slot(Hook::Expiry).shadow, None);
    let events = story.order(&unload(2, Role::Active)).unwrap();
    assert!(matches!(events.as_slice(), [Event::PolicyUnloadable(u)] if u.to == Resort::Baseline(BASELINE)));
    assert_eq!(story.stack(Hook::Handling), [2, 1], "elsewhere nothing has changed");
}

#[test]
fn a_signature_that_comes_later_is_kept_once_for_each_key() {
    use crate::policy::keeper::event::SignedBy;
    use crate::types::Octets;
    let signed = |key: &str, octet: u8| {
        let signature = SignedBy { key: key.to_owned(), octets: Octets(vec![octet; 64]) };
        Order::Upload(PolicyUploaded { signature: Some(signature), ..upload(1, &Hook::ALL) })
    };
    let mut story = Story::of(&[1]);
    assert!(matches!(story.order(&signed("a", 1)).unwrap().as_slice(), [Event::PolicySigned(_)]));
    assert_eq!(story.order(&signed("a", 1)).unwrap(), []);
    story.order(&signed("b", 2)).unwrap();
    story.order(&signed("a", 3)).unwrap();
    let keys: Vec<&str> = story.state.policies[&digest(1)].signatures.iter().map(|by| by.key.as_str()).collect();
    assert_eq!(keys, ["b", "a"]);
}
