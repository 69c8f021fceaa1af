//! Who a message is from, and who may say so.

use crate::phone::Phone;
use crate::server::Setup;
use crate::stored::on_disk;
use crate::wire::{self, REALM, Registration, cpim, message, someone};

#[test]
fn def_1a_iii_the_identity_of_an_anonymous_sender_is_neither_stored_nor_pushed() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).start();
    let (caller, bob) = (server.caller(), someone());
    let secret = "mallory-7f3e91";
    let anonymous = message(caller.via(), &bob, "From: <sip:anonymous@anonymous.invalid>\r\n\r\n\r\nboo")
        .set("From", format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag={}", crate::ua::unique("a")))
        .set("P-Asserted-Identity", format!("<sip:{secret}@{REALM}>"))
        .with("Privacy", "id");
    assert_eq!(caller.request(&anonymous).status(), Some(202));
    // The same identity without the wish for privacy: shows that the search below would find it.
    let carol = "carol-51d0c2";
    let open =
        message(caller.via(), &bob, cpim(&bob, "hi")).set("P-Asserted-Identity", format!("<sip:{carol}@{REALM}>"));
    assert_eq!(caller.request(&open).status(), Some(202));
    // The header as it came is what may not be stored. The bare address is kept all the same, as the return address
    // that disposition notifications owe (I-18): what must never be is that anything shows it.
    assert!(
        on_disk(&server.data(), format!("<sip:{carol}@{REALM}>").as_bytes()),
        "the search finds what may be stored"
    );
    assert!(!on_disk(&server.data(), format!("<sip:{secret}@{REALM}>").as_bytes()), "the header is on the disk");

    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    let pushes = phone.wait_for(2);
    let push = &pushes[0].message;
    assert!(push.header("P-Asserted-Identity").is_none(), "{push:#?}");
    assert!(push.header("From").unwrap().contains("sip:anonymous@anonymous.invalid"), "{push:#?}");
    assert!(!String::from_utf8_lossy(&push.to_bytes()).contains(secret), "{push:#?}");
    assert!(pushes[1].message.header("P-Asserted-Identity").is_some());
    let (_, metrics) = server.get("/metrics").unwrap();
    for said in [server.logs(), server.timeline(&bob), metrics] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn def_1a_iii_an_identity_asserted_by_a_stranger_is_not_believed() {
    let phone = Phone::answering(200);
    // The phone's next hop is where pushes go; requests come from a peer that is not trusted.
    let server = Setup::behind(phone.address()).untrusted().config("[realms.\"ims.test\"]\ndigest = false").start();
    let (caller, bob) = (server.caller(), someone());
    let forged =
        message(caller.via(), &bob, cpim(&bob, "hi")).set("P-Asserted-Identity", format!("<sip:boss@{REALM}>"));
    let answer = caller.request(&forged);
    if answer.status() != Some(202) {
        // Refusing a message from nobody is as good as believing nothing.
        assert_eq!(answer.status().unwrap() / 100, 4, "{answer:#?}");
        return;
    }
    let contact = format!("sip:{bob}@{}", phone.address());
    let register = wire::own_register(caller.via(), &bob, &contact, 1, &crate::ua::unique("reg"));
    let answer = caller.request(&register);
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    let push = phone.wait_for(1).remove(0).message;
    assert!(!push.all("P-Asserted-Identity").any(|value| value.contains("boss")), "{push:#?}");
}

#[test]
fn logs_and_metrics_name_no_user_and_quote_no_message() {
    let phone = Phone::answering(200);
    let server = Setup::behind(phone.address()).config("[log]\nfilter = \"trace\"").start();
    let (caller, bob) = (server.caller(), someone());
    let text = "the-secret-of-the-treasure";
    server.deferred(&caller, &bob, &cpim(&bob, text));
    server.registered(&caller, &mut Registration::of(&bob), &phone, 3600);
    phone.wait_for(1);
    server.wait_for_event(&bob, "MessageDelivered");
    let (_, metrics) = server.get("/metrics").unwrap();
    for (place, said) in [("the log", server.logs()), ("/metrics", metrics)] {
        for private in [bob.as_str(), wire::ALICE, text] {
            assert!(!said.contains(private), "{place} has '{private}':\n{said}");
        }
    }
}
