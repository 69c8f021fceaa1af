//! Orders about policies: what reaches the port, and what its refusals are in HTTP.

use super::fake::{Fake, POLICY, bad_report};
use super::who::{bearer, with_tokens};
use super::*;
use crate::policy::policies::{PoliciesError, SettingsProblem, SignatureError};
use crate::policy::view::Binds;
use crate::queue::question::Hook;
use crate::shelf::ShelfError;
use crate::types::Digest;

const JSON: &str = "Content-Type: application/json\r\n";
const ACTIVATE: &str = "/v1/realms/ims.test/policies/activate";

fn order(address: SocketAddr, path: &str, name: &str, body: &str) -> Answer {
    send(address, "POST", path, &format!("{JSON}{}", bearer(name)), body)
}

#[test]
fn orders_reach_the_port_with_their_author() {
    let (views, fake) = Fake::default().views();
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let realm = |verb: &str| format!("/v1/realms/IMS.test/policies/{verb}");
        let body =
            r#"{"policy":"quiet","decisions":["expiry","delivery","expiry"],"settings":{"from":22},"reason":"R"}"#;
        assert_eq!(status(&order(address, &realm("activate"), "own", body)), "200");
        assert_eq!(status(&order(address, &realm("shadow"), "all", r#"{"policy":"abababab"}"#)), "200");
        assert_eq!(status(&order(address, &realm("rollback"), "sre", "")), "200");
        assert_eq!(status(&order(address, &realm("rollback"), "own", "{}")), "200");
        let answer = order(address, &realm("end-shadow"), "own", r#"{"decisions":["expiry"],"reason":"done"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["realm"], "ims.test");
        assert_eq!(status(&order(address, "/v1/policies/quiet/retire", "other", r#"{"reason":"old"}"#)), "200");
        assert_eq!(
            fake.ordered(),
            [
                "activate by own (R): ims.test abab Some([Expiry, Delivery]) Some(Object {\"from\": Number(22)})",
                "shadow by all (): ims.test abab None None",
                "rollback by sre (): ims.test None",
                "rollback by own (): ims.test None",
                "end-shadow by own (done): ims.test Some([Expiry])",
                "retire by other (old): abab Only({\"other.test\"}) Only({\"other.test\"})",
            ]
        );
    });
}

#[test]
fn orders_that_cannot_be_understood_change_nothing() {
    let (views, fake) = Fake::default().views();
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let large = format!(r#"{{"policy":"quiet","reason":"{}"}}"#, "x".repeat(80 << 10));
        for (body, expected) in [
            ("", "400"),
            ("{", "400"),
            ("[]", "400"),
            ("{}", "400"),
            (r#"{"policy":"quiet","decision":["expiry"]}"#, "400"),
            (r#"{"policy":"quiet","decisions":["expiration"]}"#, "422"),
            (r#"{"policy":"quiet","decisions":[]}"#, "422"),
            (r#"{"policy":"loud"}"#, "404"),
            (large.as_str(), "413"),
        ] {
            let answer = order(address, ACTIVATE, "own", body);
            assert_eq!(status(&answer), expected, "{}: {}", &body[..body.len().min(50)], answer.body);
            assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        }
        // What a form of some page could send is not taken for an order.
        let form = format!("Content-Type: text/plain\r\n{}", bearer("own"));
        assert_eq!(status(&send(address, "POST", ACTIVATE, &form, r#"{"policy":"quiet"}"#)), "415");
        assert_eq!(fake.ordered(), Vec::<String>::new());
        let answer = order(address, "/v1/realms/none.test/policies/activate", "all", r#"{"policy":"quiet"}"#);
        assert!(status(&answer) == "404" && answer.body.contains("none.test"), "{}", answer.body);
    });
}

#[test]
fn the_port_is_told_who_lets_a_policy_go_and_its_refusals_reach_them() {
    let bound = |realm: &str| Binds { realm: realm.into(), decision: "expiry".into(), role: "active".into() };
    let (views, fake) = Fake::default().views();
    serving_as(with_tokens(), Patience::default(), views, move |address, metrics, _| {
        let path = "/v1/policies/quiet/retire";
        fake.refuse(PoliciesError::OfOthers);
        let answer = order(address, path, "two", "");
        assert!(status(&answer) == "403" && answer.body.contains("operator:*"), "{}", answer.body);
        let own = "Only({\"ims.test\", \"third.test\"})";
        assert_eq!(fake.ordered(), [format!("retire by two (): abab {own} {own}")]);
        assert!(metrics.render().unwrap().contains("restante_admin_refusals_total{cause=\"role\"} 1\n"));
        fake.refuse(PoliciesError::InUse { bound: vec![bound("other.test")], elsewhere: true });
        let answer = order(address, path, "all", "");
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((status(&answer), &problem["bound"][0]["realm"]), ("409", &"other.test".into()));
        assert_eq!(fake.ordered(), ["retire by all (): abab All All"]);
    });
}

#[test]
fn what_came_for_another_realm_is_not_there() {
    let (views, fake) = Fake { realm: Some("other.test"), ..Fake::default() }.views();
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let paths = ["/v1/policies/quiet", "/v1/policies/quiet/component", "/v1/policies/abababab"];
        for (name, expected) in [("own", "404"), ("other", "200"), ("all", "200"), ("auditor", "200"), ("sre", "200")] {
            for path in paths {
                let answer = send(address, "GET", path, &bearer(name), "");
                assert_eq!(status(&answer), expected, "{name} {path}: {}", answer.body);
            }
            let list = send(address, "GET", "/v1/policies", &bearer(name), "").body;
            assert_eq!(list.contains("quiet"), expected == "200", "{name}: {list}");
        }
        for (path, body) in [("/v1/policies/quiet/retire", ""), (ACTIVATE, r#"{"policy":"quiet"}"#)] {
            let answer = order(address, path, "own", body);
            assert_eq!(status(&answer), "404", "{path}: {}", answer.body);
        }
        assert_eq!(fake.ordered(), Vec::<String>::new());
    });
}

/// Whoever may see more than the operators of the realm has to say exactly what is meant: what a name means there is not
/// for anybody else to choose.
#[test]
fn a_name_means_in_a_realm_what_it_means_to_its_operators() {
    let (views, fake) = Fake { realm: Some("other.test"), ..Fake::default() }.views();
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let activate = |policy: &str| order(address, ACTIVATE, "all", &format!(r#"{{"policy":"{policy}"}}"#));
        for text in ["quiet", "abababab", &POLICY.to_string()[..63]] {
            let answer = activate(text);
            assert!(status(&answer) == "409" && answer.body.contains("whole digest"), "{}", answer.body);
        }
        assert_eq!(status(&activate("loud")), "404");
        assert_eq!(fake.ordered(), Vec::<String>::new());
        assert_eq!(status(&activate(&POLICY.to_string().to_uppercase())), "200");
        assert_eq!(fake.ordered().len(), 1);
        let answer = order(address, "/v1/realms/other.test/policies/activate", "all", r#"{"policy":"quiet"}"#);
        assert_eq!(status(&answer), "200");
    });
}

#[test]
fn every_refusal_has_its_status_and_what_a_program_wants_to_know() {
    let problem = SettingsProblem { at: "/from".to_owned(), what: "is no hour".to_owned() };
    let text = || "x".to_owned();
    let refusals: Vec<(PoliciesError, &str, &str)> = vec![
        (PoliciesError::NoSuchPolicy(text()), "404", ""),
        (PoliciesError::Ambiguous(text(), vec![POLICY, Digest([1; 32])]), "409", "policies"),
        (PoliciesError::NotForRealm { policy: text(), realm: text() }, "409", ""),
        (PoliciesError::Retired(POLICY), "410", ""),
        (PoliciesError::NoSuchRealm(text()), "404", ""),
        (PoliciesError::TooLarge { octets: 2, limit: 1 }, "413", ""),
        (PoliciesError::Unacceptable(Box::new(bad_report())), "422", "findings"),
        (PoliciesError::Unacceptable(Box::new(bad_report())), "422", "report"),
        (PoliciesError::Unsigned { realm: text() }, "403", ""),
        (PoliciesError::Signature(SignatureError::Expired(text())), "403", ""),
        (PoliciesError::Signature(SignatureError::Form), "400", ""),
        (PoliciesError::Settings(vec![problem]), "422", "problems"),
        (PoliciesError::NotDecided { asked: vec![Hook::Expiry], decides: vec![] }, "422", ""),
        (PoliciesError::NoSuchDecision(text()), "422", ""),
        (PoliciesError::Text { what: "reason", why: "it is too long" }, "422", ""),
        (PoliciesError::InUse { bound: vec![], elsewhere: true }, "409", "bound"),
        (PoliciesError::OfOthers, "403", ""),
        (PoliciesError::BuiltIn, "409", ""),
        (PoliciesError::Full { what: "policy.catalogue-max", limit: 1 }, "507", ""),
        (PoliciesError::Busy(1), "503", ""),
        (PoliciesError::NothingToRollBack { realm: text() }, "409", ""),
        (PoliciesError::NothingShadowed { realm: text() }, "409", ""),
        (PoliciesError::Store(ShelfError { cause: text() }), "500", ""),
        (PoliciesError::Damaged { what: text(), why: "x" }, "500", ""),
        (PoliciesError::Newer { detail: text() }, "500", ""),
        (PoliciesError::Engine { detail: text() }, "500", ""),
        (PoliciesError::Stopping, "503", ""),
    ];
    let (views, fake) = Fake::default().views();
    serving_with(views, move |address, _, _| {
        for (error, expected, member) in refusals {
            let told = error.to_string();
            fake.refuse(error);
            let answer = send(address, "POST", ACTIVATE, JSON, r#"{"policy":"quiet"}"#);
            assert_eq!(status(&answer), expected, "{told}");
            assert_eq!(answer.head.contains("retry-after"), expected == "503", "{told}");
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["detail"], told);
            assert!(member.is_empty() || !problem[member].is_null(), "{told}: {problem}");
        }
    });
}

#[test]
fn before_the_policies_are_there_everything_about_them_is_503() {
    serving(|address, _, _| {
        for (method, path) in [("GET", "/v1/policies"), ("GET", "/v1/operator-events"), ("POST", ACTIVATE)] {
            let answer = send(address, method, path, JSON, r#"{"policy":"quiet"}"#);
            assert!(status(&answer) == "503" && answer.head.contains("retry-after"), "{method} {path}");
        }
    });
}

#[test]
fn policies_realms_and_components_are_read() {
    let (views, _) = Fake { component: "\0asm".into(), ..Fake::default() }.views();
    serving_with(views, |address, _, _| {
        let answer = ask(address, "GET", "/v1/policies/abababab/component");
        assert!(answer.body == "\0asm" && answer.head.contains("content-type: application/wasm"), "{}", answer.head);
        assert!(answer.head.contains(&format!("etag: \"{POLICY}\"")), "{}", answer.head);
        for known in [format!("\"{POLICY}\""), format!("\"a\", W/\"{POLICY}\""), "*".to_owned()] {
            let headers = format!("If-None-Match: {known}\r\n");
            let answer = send(address, "GET", "/v1/policies/abababab/component", &headers, "");
            assert!(status(&answer) == "304" && answer.body.is_empty(), "{known}: {}", answer.head);
        }
        let head = ask(address, "HEAD", "/v1/policies/abababab/component");
        assert!(status(&head) == "200" && head.body.is_empty(), "{}", head.head);
        assert!(head.head.contains("content-length: 4"), "{}", head.head);
        assert_eq!(status(&ask(address, "GET", "/v1/policies/abab")), "404");
        assert_eq!(status(&ask(address, "HEAD", "/v1/policies")), "200");
        let realm = ask(address, "GET", "/v1/realms/other.test/policies").body;
        assert_eq!(realm, r#"{"realm":"other.test","decisions":[]}"#);
    });
}

#[test]
fn few_components_are_fetched_at_once() {
    use std::io::{Read as _, Write as _};
    let (views, _) = Fake { component: vec![b'x'; 64 << 20].into(), ..Fake::default() }.views();
    serving_with(views, |address, metrics, _| {
        let path = "/v1/policies/quiet/component";
        let unread: Vec<_> = (0..crate::admin::policies::SERVED_MAX)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
                stream.read_exact(&mut [0; 12]).unwrap();
                stream
            })
            .collect();
        let answer = ask(address, "GET", path);
        assert!(status(&answer) == "503" && answer.head.contains("retry-after"), "{}", answer.head);
        assert_eq!(status(&ask(address, "HEAD", path)), "200");
        assert!(metrics.render().unwrap().contains("{limit=\"internal.admin-components\"} 1\n"));
        drop(unread);
        while status(&ask(address, "GET", path)) != "200" {
            std::thread::yield_now();
        }
    });
}
