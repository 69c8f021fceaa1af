//! Whose signature is believed: for upload, and again whenever a policy is bound.

use super::world::{EAST, WEST, World, bind, config, manager, place, signed};
use crate::config::{Config, PolicyKey};
use crate::policy::STANDARD_COMPONENT;
use crate::policy::policies::{Policies as _, PoliciesError, Signature, SignatureError};
use crate::types::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use std::time::Duration;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key(id: &str, seed: u8) -> PolicyKey {
    let ed25519 = BASE64.encode(pair(seed).public_key());
    PolicyKey { id: id.to_owned(), ed25519, not_before: None, not_after: None, realms: None }
}

#[expect(clippy::unnecessary_wraps, reason = "uploads may come without one")]
fn sign(id: &str, seed: u8, octets: &[u8]) -> Option<Signature> {
    Some(Signature { key: id.to_owned(), octets: pair(seed).sign(octets).as_ref().to_vec() })
}

/// The east takes signed policies only. The world begins at 2026-03-02T09:14:07Z.
fn signing(keys: Vec<PolicyKey>) -> Config {
    let mut config = config();
    config.realms.get_mut(EAST).unwrap().signed_policies = true;
    config.policy.keys = keys;
    config
}

/// RFC 8032, section 7.1, test 2: our reading of keys and signatures is everybody's.
#[test]
fn rfc_8032_test_vectors_are_believed() {
    use crate::policy::keeper::signature::Keys;
    let hex = |text: &str| hex::decode(text).unwrap();
    let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let octets = hex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    let keys = Keys::of(&[PolicyKey { ed25519: BASE64.encode(public), ..key("rfc", 1) }]);
    let signature = Signature { key: "rfc".to_owned(), octets };
    let now = crate::types::Timestamp(0);
    assert!(keys.check(&signature, &[0x72], None, now).is_ok());
    assert_eq!(keys.check(&signature, &[0x73], None, now), Err(SignatureError::Wrong("rfc".to_owned())));
}

#[test]
fn a_realm_that_takes_signed_policies_takes_no_others() {
    let world = World::with(signing(vec![key("release", 1)]));
    let octets = manager("a");
    let unsigned = world.try_upload(&octets, Some(EAST), None).unwrap_err();
    assert!(matches!(&unsigned, PoliciesError::Unsigned { realm } if realm == EAST));
    assert_eq!(world.events(0, 9).unwrap()[0].events[0]["cause"], json!({ "kind": "unsigned", "realm": EAST }));
    // Where no realm or another one is meant, it is taken; and cannot be bound in this one.
    let digest = world.upload(&octets);
    for result in
        [world.keeper.activate(signed(bind(EAST, digest, None))), world.keeper.shadow(signed(bind(EAST, digest, None)))]
    {
        assert!(matches!(result, Err(PoliciesError::Unsigned { .. })));
    }
    world.activate(WEST, digest);
    // The signature may come later.
    let again = world.try_upload(&octets, Some(EAST), sign("release", 1, &octets)).unwrap();
    assert!(!again.new);
    world.activate(EAST, digest);
    assert_eq!(world.show(digest).unwrap().signed_by, ["release"]);
    assert!(world.try_upload(&octets, Some(EAST), None).is_ok(), "it is signed already");
    assert_eq!(
        world.story(),
        ["UploadRefused", "PolicyUploaded", "PolicyActivated", "PolicySigned", "PolicyActivated"]
    );
}

#[test]
fn wrong_signatures_say_so_and_leave_a_trace() {
    let east = PolicyKey { realms: Some(vec![EAST.to_owned()]), ..key("east", 2) };
    let early = PolicyKey { not_before: Some("2026-03-02T09:14:08Z".to_owned()), ..key("early", 3) };
    let late = PolicyKey { not_after: Some("2026-03-02T09:14:07Z".to_owned()), ..key("late", 4) };
    let world = World::with(signing(vec![key("release", 1), east, early, late]));
    let (octets, other) = (manager("a"), manager("b"));
    let short = Some(Signature { key: "release".to_owned(), octets: vec![0; 63] });
    let cases = [
        (
            WEST,
            sign("nobody", 1, &octets),
            SignatureError::NoSuchKey("nobody".into()),
            json!({ "kind": "unknown-key" }),
        ),
        (
            WEST,
            sign("east", 2, &octets),
            SignatureError::OtherRealm("east".into()),
            json!({ "kind": "other-realm", "key": "east" }),
        ),
        (
            EAST,
            sign("early", 3, &octets),
            SignatureError::NotYet("early".into()),
            json!({ "kind": "not-yet-valid", "key": "early" }),
        ),
        (
            EAST,
            sign("late", 4, &octets),
            SignatureError::Expired("late".into()),
            json!({ "kind": "expired", "key": "late" }),
        ),
        (
            EAST,
            sign("release", 1, &other),
            SignatureError::Wrong("release".into()),
            json!({ "kind": "wrong-signature", "key": "release" }),
        ),
        (
            EAST,
            sign("release", 2, &octets),
            SignatureError::Wrong("release".into()),
            json!({ "kind": "wrong-signature", "key": "release" }),
        ),
        (EAST, short, SignatureError::Form, json!({ "kind": "signature-form" })),
    ];
    for (n, (realm, signature, wanted, cause)) in (1..).zip(cases) {
        match world.try_upload(&octets, Some(realm), signature) {
            Err(PoliciesError::Signature(error)) => assert_eq!(error, wanted),
            other => panic!("{other:?}"),
        }
        let last = world.events(n - 1, 9).unwrap();
        assert_eq!(last[0].events[0]["cause"], cause);
        // The clock stands still, so that no key becomes valid meanwhile.
        world.keeper.state().refused = (None, 0);
    }
    assert_eq!(world.list().len(), 1, "nothing was kept");
}

#[test]
fn a_signature_of_a_key_for_all_is_checked_without_a_realm_too() {
    let world = World::with(signing(vec![key("release", 1)]));
    let octets = manager("a");
    let wrong = world.try_upload(&octets, None, sign("release", 2, &octets));
    assert!(matches!(wrong, Err(PoliciesError::Signature(SignatureError::Wrong(_)))));
    assert!(world.try_upload(&octets, None, sign("release", 1, &octets)).unwrap().new);
}

#[test]
fn a_key_that_has_expired_since_the_upload_binds_nothing_more() {
    let release = PolicyKey { not_after: Some("2026-03-03T00:00:00Z".to_owned()), ..key("release", 1) };
    let world = World::with(signing(vec![release, key("next", 2)]));
    let octets = manager("a");
    let digest = world.try_upload(&octets, Some(EAST), sign("release", 1, &octets)).unwrap().digest;
    world.activate(EAST, digest);
    world.rollback(EAST).unwrap();
    world.later(Duration::from_hours(24));
    let expired = world.keeper.activate(signed(bind(EAST, digest, None)));
    assert!(matches!(expired, Err(PoliciesError::Signature(SignatureError::Expired(_)))));
    world.try_upload(&octets, Some(EAST), sign("next", 2, &octets)).unwrap();
    world.activate(EAST, digest);
    assert_eq!(world.show(digest).unwrap().signed_by, ["release", "next"]);
}

/// What is bound stays, and what was good once may be gone back to: an emergency is no time for paperwork.
#[test]
fn an_expired_key_takes_nothing_off_and_does_not_stand_in_the_way_back() {
    let release = PolicyKey { not_after: Some("2026-03-03T00:00:00Z".to_owned()), ..key("release", 1) };
    let world = World::with(signing(vec![release]));
    let digests: Vec<Digest> = ["a", "b"]
        .map(|text| {
            let octets = manager(text);
            world.try_upload(&octets, Some(EAST), sign("release", 1, &octets)).unwrap().digest
        })
        .to_vec();
    for digest in &digests {
        world.activate(EAST, *digest);
    }
    world.later(Duration::from_hours(24));
    let world = world.reopened();
    let stack = || world.stack(EAST, crate::queue::question::Hook::Handling);
    assert_eq!(stack()[0], digests[1].to_string());
    world.keeper.rollback(signed(place(EAST))).unwrap();
    assert_eq!(stack()[0], digests[0].to_string());
}

/// The configuration may mean another key by the same name.
#[test]
fn a_signature_is_checked_by_the_key_of_today() {
    let octets = manager("a");
    let mut world = World::with(signing(vec![key("release", 1)]));
    let digest = world.try_upload(&octets, Some(EAST), sign("release", 1, &octets)).unwrap().digest;
    world.config.policy.keys = vec![key("release", 9)];
    let world = world.reopened();
    let wrong = world.keeper.activate(signed(bind(EAST, digest, None)));
    assert!(matches!(wrong, Err(PoliciesError::Signature(SignatureError::Wrong(_)))));
}

#[test]
fn built_in_policies_need_no_signature() {
    let world = World::with(signing(Vec::new()));
    world.activate(EAST, Digest::of(STANDARD_COMPONENT));
    let octets = Bytes::from_static(STANDARD_COMPONENT);
    assert!(world.try_upload(&octets, Some(EAST), None).is_ok());
}
