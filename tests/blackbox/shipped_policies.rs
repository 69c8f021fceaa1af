//! The policies that come with Restante, in a server: from what is on the wire to what is not sent.

use crate::operator::Operator;
use crate::phone::{Phone, is_push};
use crate::server::{Server, Setup};
use crate::wire::{REALM, Registration, cpim, someone};
use std::time::Duration;

const IN_RUST: &[u8] = include_bytes!("../../policies/business-senders.wasm");
const IN_C: &[u8] = include_bytes!("../../policies/business-senders-c.wasm");

/// Long enough for a push that must not come.
const A_WHILE: Duration = Duration::from_millis(700);

/// A client of the user that has these feature tags beside those of CPM registers.
fn registers(server: &Server, user: &str, phone: &Phone, instance: &str, features: &'static str) {
    let mut client = Registration::client(user, instance);
    client.features = features;
    server.registered(&server.caller(), &mut client, phone, 3600);
}

#[test]
fn devices_with_the_feature_tags_of_the_settings_are_not_pushed_to() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (operator, caller) = (Operator::of(&server), server.caller());
    let settings = r#"{"on-request-tags": ["+example.device=tablet", "automata"]}"#;
    for (name, component) in [("in-rust", IN_RUST), ("in-c", IN_C)] {
        let policy = operator.uploads(name, component);
        operator.does(&["activate", &policy, "--realm", REALM, "--settings", settings]);
        let bob = someone();
        server.deferred(&caller, &bob, &cpim(&bob, "not on the tablet"));
        let before = phone.such(is_push).len();
        registers(
            &server,
            &bob,
            &phone,
            "urn:uuid:00000000-0000-4000-8000-00000000ab1e",
            ";+Example.Device=\"Tablet\"",
        );
        registers(&server, &bob, &phone, "urn:uuid:00000000-0000-4000-8000-0000000b0b07", ";automata");
        server.wait_for_event(&bob, "DeliveryWithheld");
        phone.stays_at_such(before, is_push, A_WHILE);
        registers(&server, &bob, &phone, "urn:uuid:00000000-0000-4000-8000-0000000f0e0e", ";+example.device=\"phone\"");
        let push = phone.wait_for_such(before + 1, is_push).remove(before);
        assert!(push.all("Accept-Contact").any(|value| value.contains("0f0e0e")), "to the phone: {push:#?}");
    }
}
