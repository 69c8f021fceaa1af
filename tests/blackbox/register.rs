//! A phone's own REGISTER: a registrar of our own, with digest authentication (RFC 3261 section 22, RFC 8760).

use crate::phone::Phone;
use crate::server::{Server, Setup};
use crate::ua::{Caller, Message, unique};
use crate::wire::{REALM, cpim, message, own_register, someone};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;

fn strict(users: &[(&str, &str)], next_hop: Option<SocketAddr>) -> Server {
    let users: Vec<_> = users.iter().map(|(user, password)| format!("\"{user}\" = \"{password}\"\n")).collect();
    let mut setup = Setup::behind(SocketAddr::from(([127, 0, 0, 1], 9))).untrusted();
    setup.next_hop = next_hop;
    setup.config(&format!("[realms.\"{REALM}\".users]\n{}", users.concat())).start()
}

/// The value of a parameter of a challenge.
fn challenge<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.trim_start_matches("Digest").split(',').find_map(|part| {
        let (n, v) = part.trim().split_once('=')?;
        n.eq_ignore_ascii_case(name).then(|| v.trim_matches('"'))
    })
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The SHA-256 credentials that answer the challenge of this 401.
pub fn credentials(refusal: &Message, user: &str, password: &str, method: &str, uri: &str) -> String {
    let offered: Vec<_> = refusal.all("WWW-Authenticate").collect();
    let value = offered
        .iter()
        .find(|value| challenge(value, "algorithm") == Some("SHA-256"))
        .unwrap_or_else(|| panic!("RFC 8760: SHA-256 is not offered: {offered:?}"));
    let realm = challenge(value, "realm").expect("a realm");
    let nonce = challenge(value, "nonce").expect("a nonce");
    let (cnonce, count) = (unique("cn"), "00000001");
    let secret = sha256(&format!("{user}:{realm}:{password}"));
    let target = sha256(&format!("{method}:{uri}"));
    let response = sha256(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{target}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm=SHA-256, cnonce=\"{cnonce}\", qop=auth, nc={count}"
    )
}

fn register(caller: &Caller, user: &str, contact: &str, cseq: u32, call_id: &str) -> Message {
    own_register(caller.via(), user, contact, cseq, call_id)
}

/// REGISTER, challenge, REGISTER with this password: the last answer.
fn register_as(caller: &Caller, user: &str, password: &str, contact: &str, expires: u32) -> Message {
    let call_id = unique("reg");
    let first = register(caller, user, contact, 1, &call_id).set("Expires", expires.to_string());
    let refusal = caller.request(&first);
    assert_eq!(refusal.status(), Some(401), "{refusal:#?}");
    let answer = credentials(&refusal, user, password, "REGISTER", first.uri());
    caller.request(
        &register(caller, user, contact, 2, &call_id).set("Expires", expires.to_string()).with("Authorization", answer),
    )
}

#[test]
fn a_phone_registers_with_its_password_and_gets_its_messages() {
    let phone = Phone::answering(200);
    let bob = someone();
    let server = strict(&[(&bob, "pass word"), ("alice", "a")], Some(phone.address()));
    let caller = server.caller();
    let contact = format!("sip:{bob}@{}", phone.address());
    let answer = register_as(&caller, &bob, "pass word", &contact, 600);
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    assert!(answer.all("Contact").any(|value| value.contains(&contact) && value.contains("expires=")), "{answer:#?}");

    // A sender that is no trusted peer proves who it is.
    let body = cpim(&bob, "hello");
    let first = message(caller.via(), &bob, body.clone())
        .without("P-Asserted-Identity")
        .set("From", format!("<sip:alice@{REALM}>;tag=a1"));
    let mut answer = caller.request(&first);
    if let Some(status @ (401 | 407)) = answer.status() {
        let mut refusal = answer;
        for (name, _) in &mut refusal.headers {
            if name.eq_ignore_ascii_case("Proxy-Authenticate") {
                "WWW-Authenticate".clone_into(name);
            }
        }
        let proof = credentials(&refusal, "alice", "a", "MESSAGE", first.uri());
        let mut again = first.set("CSeq", "2 MESSAGE");
        again.headers[0].1 = caller.via();
        answer =
            caller.request(&again.with(if status == 401 { "Authorization" } else { "Proxy-Authorization" }, proof));
    }
    assert_eq!(answer.status(), Some(202), "{answer:#?}");
    let push = phone.wait_for(1).remove(0).message;
    assert_eq!(push.body, body);
}

#[test]
fn a_wrong_password_an_unknown_user_and_another_users_name_do_not_register() {
    let (bob, carol) = (someone(), someone());
    let server = strict(&[(&bob, "right"), (&carol, "hers")], None);
    let caller = server.caller();
    let contact = format!("sip:{bob}@127.0.0.1:9");
    for (user, password) in [(bob.as_str(), "wrong"), ("nobody", "right")] {
        let answer = register_as(&caller, user, password, &contact, 600);
        assert!(matches!(answer.status(), Some(401 | 403)), "{user}: {answer:#?}");
    }
    // Carol's good password does not make her Bob.
    let call_id = unique("reg");
    let first = register(&caller, &bob, &contact, 1, &call_id);
    let refusal = caller.request(&first);
    let proof = credentials(&refusal, &carol, "hers", "REGISTER", first.uri());
    let answer = caller.request(&register(&caller, &bob, &contact, 2, &call_id).with("Authorization", proof));
    assert!(matches!(answer.status(), Some(401 | 403)), "{answer:#?}");
}

#[test]
fn a_nonce_we_did_not_make_is_challenged_again() {
    let bob = someone();
    let server = strict(&[(&bob, "right")], None);
    let caller = server.caller();
    let contact = format!("sip:{bob}@127.0.0.1:9");
    let call_id = unique("reg");
    let forged = Message::new("SIP/2.0 401 Unauthorized").with(
        "WWW-Authenticate",
        format!("Digest realm=\"{REALM}\", nonce=\"0123456789abcdef\", algorithm=SHA-256, qop=\"auth\""),
    );
    let proof = credentials(&forged, &bob, "right", "REGISTER", &format!("sip:{REALM}"));
    let answer = caller.request(&register(&caller, &bob, &contact, 1, &call_id).with("Authorization", proof));
    assert_eq!(answer.status(), Some(401), "{answer:#?}");
}

#[test]
fn without_a_next_hop_pushes_go_to_the_registered_contact() {
    let phone = Phone::answering(200);
    let bob = someone();
    let mut setup = Setup::behind(phone.address()).untrusted().config(&format!("[realms.\"{REALM}\"]\ndigest = false"));
    setup.next_hop = None;
    let server = setup.start();
    let caller = server.caller();
    let body = cpim(&bob, "found you");
    let answer = caller.request(&message(caller.via(), &bob, body.clone()));
    assert_eq!(answer.status(), Some(202), "{answer:#?}");
    let contact = format!("sip:{bob}@{}", phone.address());
    let answer = caller.request(&register(&caller, &bob, &contact, 1, &unique("reg")));
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    assert_eq!(phone.wait_for(1)[0].message.body, body);
}

#[test]
fn a_star_contact_with_expires_0_ends_every_registration() {
    let phone = Phone::answering(200);
    let bob = someone();
    let server =
        Setup::behind(phone.address()).untrusted().config(&format!("[realms.\"{REALM}\"]\ndigest = false")).start();
    let caller = server.caller();
    let call_id = unique("reg");
    let contact = format!("sip:{bob}@{}", phone.address());
    assert_eq!(caller.request(&register(&caller, &bob, &contact, 1, &call_id)).status(), Some(200));
    let star = register(&caller, &bob, &contact, 2, &call_id).set("Contact", "*").set("Expires", "0");
    let answer = caller.request(&star);
    assert_eq!(answer.status(), Some(200), "{answer:#?}");
    assert!(answer.header("Contact").is_none(), "{answer:#?}");
    server.wait_for_event(&bob, "ClientGone");
    assert_eq!(caller.request(&message(caller.via(), &bob, "x")).status(), Some(202));
    phone.stays_at(0, std::time::Duration::from_millis(500));
}

#[test]
fn a_registration_shorter_than_the_shortest_is_423_with_min_expires() {
    let bob = someone();
    let server = Setup::behind(SocketAddr::from(([127, 0, 0, 1], 9)))
        .untrusted()
        .config(&format!("[realms.\"{REALM}\"]\ndigest = false\nregistration-min-secs = 60"))
        .start();
    let caller = server.caller();
    let brief = register(&caller, &bob, "sip:b@127.0.0.1:9", 1, &unique("reg")).set("Expires", "5");
    let answer = caller.request(&brief);
    assert_eq!(answer.status(), Some(423), "{answer:#?}");
    assert_eq!(answer.header("Min-Expires"), Some("60"));
}
