//! Whose a policy is: who may see it, what its name means to whom, and who may let it go.

use super::world::{EAST, WEST, World, bind, broken, config, manager, retire, signed};
use crate::policy::policies::{Author, Policies as _, PoliciesError, Realms, Signed, Upload, Uploaded};
use crate::queue::question::Hook;
use crate::types::Digest;
use bytes::Bytes;

fn east() -> Realms {
    Realms::one(EAST)
}

fn west() -> Realms {
    Realms::one(WEST)
}

fn upload(world: &World, octets: Bytes, name: &str, realm: Option<&str>) -> Uploaded {
    let (name, realm) = (Some(name.to_owned()), realm.map(str::to_owned));
    let author = Author(realm.clone().unwrap_or_else(|| "all".to_owned()));
    let order = Upload { component: octets, name, signature: None, realm };
    world.keeper.upload(Signed { author, reason: String::new(), order }).unwrap_or_else(|error| panic!("{error}"))
}

/// The names that these realms see, the latest first.
fn names(world: &World, realms: &Realms) -> Vec<String> {
    world.keeper.list(realms).into_iter().filter_map(|view| view.name).collect()
}

/// The events that these realms see, by entry.
fn story(world: &World, realms: &Realms) -> Vec<(u64, String)> {
    let page = world.keeper.events(0, 100, realms).unwrap();
    assert_eq!(page.next, world.events(0, 100).unwrap().len() as u64, "what is hidden is passed over");
    let name = |event: &serde_json::Value| event["event"].as_str().unwrap().to_owned();
    page.entries.into_iter().map(|entry| (entry.seq, name(entry.events.last().unwrap()))).collect()
}

#[test]
fn a_policy_of_one_realm_is_not_there_for_another() {
    let world = World::new();
    let own = upload(&world, manager("a"), "otp", Some("EAST.test")).digest;
    upload(&world, manager("b"), "shared", None);
    let keeper = &world.keeper;
    assert_eq!(names(&world, &east()), ["shared", "otp", "standard"]);
    assert_eq!(names(&world, &west()), ["shared", "standard"]);
    let digits = own.to_string();
    for text in ["otp", &digits, &digits[..8]] {
        assert_eq!(keeper.resolve(text, &east()).unwrap(), own);
        assert!(matches!(keeper.resolve(text, &west()), Err(PoliciesError::NoSuchPolicy(_))), "{text}");
    }
    assert!(keeper.show(own, &east()).is_ok() && keeper.component(own, &east()).is_ok());
    assert!(matches!(keeper.show(own, &west()), Err(PoliciesError::NoSuchPolicy(_))));
    assert!(matches!(keeper.component(own, &west()), Err(PoliciesError::NoSuchPolicy(_))));
    assert_eq!(keeper.show(own, &east()).unwrap().realms, Some(vec![EAST.to_owned()]));
    assert_eq!(keeper.show(world.resolve("shared").unwrap(), &west()).unwrap().realms, None);
    assert_eq!(story(&world, &east()).len(), 2);
    assert_eq!(story(&world, &west()), [(2, "PolicyUploaded".to_owned())]);
}

#[test]
fn what_is_used_in_a_realm_is_there_for_it() {
    let world = World::new();
    let (one, two) =
        (upload(&world, manager("a"), "one", Some(EAST)).digest, upload(&world, manager("b"), "two", None));
    world.activate(WEST, one);
    assert_eq!(names(&world, &west()), ["two", "one", "standard"]);
    let view = world.keeper.show(one, &west()).unwrap();
    assert_eq!((view.uploaded_by.as_deref(), view.realms), (Some(EAST), Some(vec![])));
    assert_eq!(world.keeper.show(one, &east()).unwrap().bound, [], "where others bind it is theirs");
    world.activate(WEST, two.digest);
    assert!(world.keeper.component(one, &west()).is_ok(), "it could be gone back to");
    assert_eq!(story(&world, &west()).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(story(&world, &east()).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    world.retire(one).unwrap();
    assert_eq!(
        world.keeper.show(one, &west()).unwrap().state,
        "retired",
        "its history is shorter now: it may know why"
    );
    assert_eq!(story(&world, &west()).last().unwrap().1, "PolicyRetired");
}

#[test]
fn the_same_component_may_come_for_several_realms_and_has_a_name_in_each() {
    let world = World::new();
    let first = upload(&world, manager("a"), "east-name", Some(EAST));
    let second = upload(&world, manager("a"), "west-name", Some(WEST));
    assert!(first.new && second.new && first.digest == second.digest);
    assert_eq!((first.name.as_deref(), second.name.as_deref()), (Some("east-name"), Some("west-name")));
    let again = upload(&world, manager("a"), "other", Some(WEST));
    assert_eq!((again.new, again.signed, again.name.as_deref()), (false, false, Some("west-name")));
    assert_eq!((names(&world, &east()), names(&world, &west())), {
        let names = |own: &str| vec![own.to_owned(), "standard".to_owned()];
        (names("east-name"), names("west-name"))
    });
    assert!(world.keeper.resolve("east-name", &west()).is_err(), "what others call it is theirs");
    assert_eq!(world.resolve("east-name").unwrap(), world.resolve("west-name").unwrap());
    let view = world.keeper.show(first.digest, &west()).unwrap();
    assert_eq!((view.uploaded_by.as_deref(), view.realms), (Some(WEST), Some(vec![WEST.to_owned()])));
    assert_eq!(story(&world, &west()), [(2, "PolicyUploaded".to_owned())]);
    world.activate(WEST, first.digest);
    let active = world.decision(WEST, Hook::Handling).active.unwrap();
    assert_eq!(active.name.as_deref(), Some("west-name"));
    let world = world.reopened();
    assert_eq!(names(&world, &west()), ["west-name", "standard"]);
    assert_eq!(crate::policy::keeper::verify(world.shelf.as_ref()).unwrap().components, 1);
}

#[test]
fn nobody_takes_the_meaning_of_a_name_away() {
    let world = World::new();
    let own = upload(&world, manager("a"), "otp", Some(WEST)).digest;
    let other = upload(&world, manager("b"), "otp", Some(EAST)).digest;
    assert_eq!(world.keeper.resolve("otp", &west()).unwrap(), own);
    assert_eq!(world.keeper.resolve("otp", &east()).unwrap(), other);
    // Not even by somebody who binds the other one there.
    world.activate(WEST, other);
    assert_eq!(world.keeper.resolve("otp", &west()).unwrap(), own);
    match world.resolve("otp") {
        Err(error @ PoliciesError::Ambiguous(..)) => {
            let told = error.to_string();
            let first = |policy: Digest| policy.to_string()[..16].to_owned();
            assert!(told.contains(&first(own)) && told.contains(&first(other)), "{told}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operator_lets_go_what_is_of_own_realms_alone() {
    let world = World::new();
    let by = |policy: Digest, realms: Realms| world.keeper.retire(signed(retire(policy, realms)));
    let both = || Realms::Only([EAST, WEST].map(str::to_owned).into());
    let own = upload(&world, manager("a"), "own", Some(EAST)).digest;
    assert!(matches!(by(own, west()), Err(PoliciesError::NoSuchPolicy(_))));
    // Bound elsewhere: in use for everybody, and where is nobody else's business.
    world.activate(WEST, own);
    match by(own, east()) {
        Err(error @ PoliciesError::InUse { .. }) => {
            assert!(!error.to_string().contains(WEST), "{error}");
            assert!(matches!(error, PoliciesError::InUse { bound, elsewhere: true } if bound.is_empty()));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(by(own, Realms::All), Err(PoliciesError::InUse { bound, elsewhere: false }) if bound.len() == 1));
    // Remembered elsewhere: the west could go back to it.
    world.activate(WEST, upload(&world, manager("b"), "next", Some(WEST)).digest);
    assert!(matches!(by(own, east()), Err(PoliciesError::OfOthers)));
    world.rollback(WEST).unwrap();
    world.rollback(WEST).unwrap();
    // For others, too.
    upload(&world, manager("a"), "mine", Some(WEST));
    assert!(matches!(by(own, east()), Err(PoliciesError::OfOthers)));
    by(own, both()).unwrap();
    assert!(matches!(by(own, east()), Err(PoliciesError::Retired(_))));
    let shared = upload(&world, manager("c"), "shared", None).digest;
    assert!(matches!(by(shared, both()), Err(PoliciesError::OfOthers)), "it is for all");
    by(shared, Realms::All).unwrap();
    // What comes again after it was let go is whose it is then.
    assert!(upload(&world, manager("a"), "again", Some(EAST)).new);
    assert!(world.keeper.show(own, &west()).is_err());
    by(own, east()).unwrap();
}

/// An auditor who is an operator, too, sees more than may be let go.
#[test]
fn to_see_is_not_to_decide() {
    let world = World::new();
    let own = upload(&world, manager("a"), "own", Some(EAST)).digest;
    let order = crate::policy::policies::Retire { sees: Realms::All, ..retire(own, west()) };
    assert!(matches!(world.keeper.retire(signed(order)), Err(PoliciesError::OfOthers)));
}

#[test]
fn a_refused_upload_is_told_to_the_realm_that_it_was_for() {
    let mut config = config();
    config.realms.get_mut(EAST).unwrap().signed_policies = true;
    let world = World::with(config);
    assert!(world.try_upload(&manager("a"), Some(EAST), None).is_err());
    world.keeper.state().refused = (None, 0);
    assert!(world.try_upload(&broken(), Some("WEST.test"), None).is_err());
    world.keeper.state().refused = (None, 0);
    assert!(world.try_upload(&broken(), None, None).is_err());
    let refused = |seq: u64| vec![(seq, "UploadRefused".to_owned())];
    assert_eq!((story(&world, &east()), story(&world, &west())), (refused(1), refused(2)));
    assert_eq!(story(&world, &Realms::All).len(), 3);
}

#[test]
fn what_is_bound_by_somebody_else_is_not_new_to_whoever_brings_it() {
    let world = World::new();
    let digest = upload(&world, manager("a"), "a", Some(EAST)).digest;
    world.activate(WEST, digest);
    assert!(!upload(&world, manager("a"), "b", Some(WEST)).new);
    world.keeper.shadow(signed(bind(WEST, digest, None))).unwrap();
    assert_eq!(world.keeper.show(digest, &west()).unwrap().realms, Some(vec![WEST.to_owned()]));
}
