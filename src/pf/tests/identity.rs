//! Whom we believe (RFC 3325), whom a message is for (RFC 5502), and which realm serves them.

use super::*;

fn user_of(request: &Request) -> String {
    verb(Desk::new().scscf(request)).user.to_string()
}

#[test]
fn an_untrusted_peers_asserted_identity_is_dropped_for_the_authenticated_one() {
    let forged = with(&request(WX_1), "P-Asserted-Identity", "<sip:president@ims.example.net>");
    let defer = defer(Desk::new().user(&forged, ALICE));
    assert_eq!(kept(&defer, KeptName::PAssertedIdentity), ["<sip:+12025550100@ims.example.net>"]);
    assert_eq!(defer.envelope.return_address.as_deref(), Some("sip:+12025550100@ims.example.net"));
}

#[test]
fn without_digest_an_untrusted_sender_has_no_identity() {
    let desk = Desk::with(|config| config.realms.get_mut("ims.example.net").unwrap().digest = false);
    let defer = defer(desk.phone(&request(WX_1)));
    assert!(kept(&defer, KeptName::PAssertedIdentity).is_empty());
    assert_eq!(defer.envelope.return_address, None);
}

#[test]
fn an_untrusted_sender_is_challenged_and_must_be_who_from_says() {
    let desk = Desk::new();
    assert_eq!(status(desk.phone(&request(WX_1))), 401);
    assert_eq!(status(desk.user(&request(WX_1), BOB)), 403, "bob is not alice");
    assert_eq!(status(desk.user(&request(WX_1), (ALICE.0, "wrong"))), 401);
    let stranger = with(&request(WX_1), "From", "<sip:eve@elsewhere.example.org>;tag=1");
    assert_eq!(status(desk.phone(&stranger)), 403, "nobody here can vouch for them");
}

#[test]
fn the_trust_domain_is_never_challenged_also_over_mapped_addresses() {
    let desk = Desk::new();
    let mapped = desk.at("[::ffff:192.0.2.1]:5060", Transport::Udp, &request(WX_1), NOW);
    assert_eq!(kept(&defer(mapped), KeptName::PAssertedIdentity).len(), 1);
}

#[test]
fn an_asserted_identity_that_cannot_be_read_is_none() {
    let broken = with(&request(WX_1), "P-Asserted-Identity", "<<>>, nobody");
    let defer = defer(Desk::new().scscf(&broken));
    assert!(kept(&defer, KeptName::PAssertedIdentity).is_empty());
    assert_eq!(defer.envelope.return_address, None);
}

#[test]
fn the_served_user_is_named_by_the_trust_domain_else_by_the_request_uri() {
    let served = "<sip:carol@ims.example.net;user=phone>;sescase=term;regstate=unreg";
    let carol = with(&request(WX_1), "P-Served-User", served);
    assert_eq!(user_of(&carol), "sip:carol@ims.example.net");
    assert_eq!(user_of(&without(&request(WX_1), "P-Served-User")), "sip:+12025550200@ims.example.net");
    let garbled = with(&request(WX_1), "P-Served-User", "<<");
    assert_eq!(user_of(&garbled), "sip:+12025550200@ims.example.net");
    let untrusted = verb(Desk::new().user(&carol, ALICE));
    assert_eq!(untrusted.user.to_string(), "sip:+12025550200@ims.example.net", "a client says nothing here");
}

#[test]
fn nothing_is_deferred_for_the_sender_on_the_originating_side() {
    let served = "<sip:+12025550100@ims.example.net>;SesCase=ORIG;regstate=reg";
    let originating = with(&request(WX_1), "P-Served-User", served);
    assert_eq!(user_of(&originating), "sip:+12025550200@ims.example.net");
}

#[test]
fn an_address_of_no_realm_is_404_and_an_unknown_scheme_416() {
    let bare = without(&request(WX_1), "P-Served-User");
    for (uri, status_wanted) in [
        ("sip:bob@elsewhere.example.org", 404),
        ("sip:ims.example.net", 404),
        ("mailto:bob@ims.example.net", 416),
        ("urn:service:sos", 416),
    ] {
        assert_eq!(status(Desk::new().scscf(&to(&bare, uri))), status_wanted, "{uri}");
    }
}

#[test]
fn a_telephone_number_belongs_to_the_first_realm() {
    let bare = without(&request(WX_1), "P-Served-User");
    let verb = verb(Desk::new().scscf(&to(&bare, "tel:+1-202-555-0200")));
    assert_eq!(
        (verb.user.to_string().as_str(), verb.realm.name.as_str()),
        ("sip:+12025550200@aaa.example.org", "aaa.example.org")
    );
}

#[test]
fn spellings_of_one_user_reach_one_queue() {
    let bare = without(&request(WX_1), "P-Served-User");
    for uri in ["sips:+1(202)555-0200@IMS.example.net:5061", "sip:+12025550200@ims.example.net.;user=phone"] {
        assert_eq!(user_of(&to(&bare, uri)), "sip:+12025550200@ims.example.net", "{uri}");
    }
}
