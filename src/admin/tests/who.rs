//! Who may do what, over real sockets: every route with every role.

use super::fake::Fake;
use super::*;
use crate::admin::access::{Operators, Right};
use crate::admin::routes;
use crate::config::{AdminToken, Role};
use crate::types::Digest;
use std::sync::Mutex;
use utoipa::openapi::HttpMethod;

/// The token of each name is the name.
pub(super) fn token(name: &str, roles: &[&str]) -> AdminToken {
    let roles = roles.iter().map(|role| Role::try_from((*role).to_owned()).unwrap()).collect();
    AdminToken { name: name.to_owned(), sha256: Digest::of(name.as_bytes()).to_string(), roles }
}

pub(super) fn with_tokens() -> Config {
    let tokens = vec![
        token("own", &["operator:ims.test"]),
        token("two", &["operator:ims.test", "operator:third.test"]),
        token("other", &["operator:other.test"]),
        token("all", &["operator:*"]),
        token("auditor", &["auditor"]),
        token("sre", &["sre"]),
    ];
    Config { admin: config::Admin { tokens, ..config::Admin::default() }, ..Config::default() }
}

pub(super) fn bearer(name: &str) -> String {
    format!("Authorization: Bearer {name}\r\n")
}

pub(super) fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        _ => panic!("a method that no route has"),
    }
}

/// A request of each route about the realm `ims.test`.
fn requests() -> Vec<(Right, &'static str, String)> {
    let filled = |path: &str| {
        let path = path.replace("{realm}", "IMS.test").replace("{user}", "sip%3Abob%40ims.test");
        let path = path.replace("{policy}", "quiet").replace("{document}", "rules").replace("{id}", "1");
        path.replace("{folder}", "a").replace("{uid}", "1")
    };
    routes::all()
        .iter()
        .map(|endpoint| {
            let query = if endpoint.right == Right::Upload { "?realm=ims.test" } else { "" };
            (endpoint.right, method_name(&endpoint.method), filled(&endpoint.path) + query)
        })
        .collect()
}

/// The matrix, written down once more: who may, of own, two, other, all, auditor, sre.
fn may(right: Right) -> [bool; 6] {
    match right {
        Right::Watch => [true; 6],
        Right::ReadPolicies | Right::ReadEntries => [true, true, true, true, true, true],
        Right::ReadRealm => [true, true, false, true, true, true],
        // Of another realm than one's own: see the tests of the handler.
        Right::AskPast => [true, true, true, true, true, false],
        Right::Upload | Right::Bind | Right::Users => [true, true, false, true, false, false],
        Right::RollBack => [true, true, false, true, false, true],
        Right::Retire => [true, true, true, true, false, false],
        Right::Outbox => [false, false, false, true, false, false],
    }
}

#[test]
fn every_route_is_open_to_the_roles_of_the_matrix_and_to_nobody_else() {
    let (views, _) = Fake::default().views();
    serving_as(with_tokens(), Patience::default(), views, |address, metrics, _| {
        let names = ["own", "two", "other", "all", "auditor", "sre"];
        for (right, method, path) in requests() {
            for (name, may) in names.into_iter().zip(may(right)) {
                let answer = send(address, method, &path, &bearer(name), "");
                assert_eq!(status(&answer) != "403", may, "{name}: {method} {path}: {}", answer.head);
                assert_ne!(status(&answer), "401", "{name}: {method} {path}");
            }
            let anybody = right == Right::Watch;
            for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic eA==\r\n"] {
                let answer = send(address, method, &path, headers, "");
                assert_eq!(status(&answer) != "401", anybody, "{headers}: {method} {path}: {}", answer.head);
            }
        }
        let counted = metrics.render().unwrap();
        for cause in ["nobody", "token", "role"] {
            let line = format!("restante_admin_refusals_total{{cause=\"{cause}\"}} ");
            let count = counted.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
            assert!(count.parse::<u64>().unwrap() > 0, "{cause}");
        }
    });
}

#[test]
fn refusals_say_what_is_needed() {
    let (views, fake) = Fake::default().views();
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let answer = ask(address, "GET", "/v1/policies");
        assert_eq!(status(&answer), "401");
        assert!(answer.head.contains("www-authenticate: bearer realm=\"restante\"\r\n"), "{}", answer.head);
        assert!(answer.head.contains("application/problem+json") && answer.body.contains("admin.tokens"));
        let answer = send(address, "GET", "/v1/policies", &bearer("wrong"), "");
        assert!(answer.head.contains("error=\"invalid_token\""), "{}", answer.head);
        let path = "/v1/realms/ims.test/policies/activate";
        let answer = send(address, "POST", path, &bearer("sre"), "{}");
        assert_eq!(status(&answer), "403");
        assert!(answer.body.contains("sre may not do this") && answer.body.contains("operator of the realm"));
        let path = "/v1/realms/ims.test/policies/rollback";
        let answer = send(address, "POST", path, &bearer("auditor"), "");
        assert!(answer.body.contains("operator of the realm, sre"), "{}", answer.body);
        // Strangers are not even told what there is.
        assert_eq!(status(&ask(address, "GET", "/v1/nothing")), "401");
        assert_eq!(status(&ask(address, "PATCH", "/v1/policies")), "401");
        assert_eq!(status(&send(address, "GET", "/v1/nothing", &bearer("sre"), "")), "404");
        assert_eq!(status(&send(address, "PATCH", "/v1/policies", &bearer("sre"), "")), "405");
        assert_eq!(status(&ask(address, "PATCH", "/metrics")), "405");
        assert_eq!(fake.ordered(), Vec::<String>::new());
    });
}

#[test]
fn whoever_is_at_this_machine_may_do_everything_as_long_as_nobody_is_named() {
    let (views, fake) = Fake::default().views();
    serving_with(views, move |address, _, _| {
        for (_, method, path) in requests() {
            let answer = send(address, method, &path, "", "");
            assert!(!["401", "403"].contains(&status(&answer)), "{method} {path}: {}", answer.head);
            // A page in a browser at this machine is somebody else.
            for page in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
                let answer = send(address, method, &path, page, "");
                assert_eq!(status(&answer) == "401", path.starts_with("/v1/"), "{method} {path}: {}", answer.head);
            }
        }
        let ordered = fake.ordered();
        assert!(ordered.iter().any(|order| order.starts_with("rollback by local")), "{ordered:?}");
    });
}

#[test]
fn the_user_that_is_asked_for_is_the_one_whose_realm_is_checked() {
    let (views, _) = with_documents();
    serving_as(with_tokens(), Patience::default(), views, |address, _, _| {
        let get = |user: &str, name: &str| {
            let path = format!("/v1/users/{user}/preferences/rules");
            status(&send(address, "GET", &path, &bearer(name), "")).to_owned()
        };
        assert_eq!(get("sip%3Abob%40IMS.test", "own"), "404");
        assert_eq!(get("sip%3Abob%40ims.test%3A5060%3Bx%3Dy", "own"), "404");
        for user in [
            "sip%3Abob%40other.test",
            "sip%3Abob%40other.test%3Bx%3D%40ims.test",
            "sip%3Abob%2540ims.test%40other.test",
            "sip%3Abob%40other.test%3F%40ims.test",
            "sip%3Abob%40sub.ims.test",
            "sip%3Abob%40ims.test.other.test",
            // Users without a realm, and who is none, are an affair of operator:*.
            "tel%3A%2B12025550200",
            "nobody",
        ] {
            assert_eq!(get(user, "own"), "403", "{user}");
            assert_ne!(get(user, "all"), "403", "{user}");
        }
    });
}

#[test]
fn an_operator_sees_what_is_of_own_realms() {
    let place = |realm: &str| crate::policy::view::Binds {
        realm: realm.to_owned(),
        decision: "expiry".to_owned(),
        role: "active".to_owned(),
    };
    let bound = Mutex::new(vec![place("ims.test"), place("other.test")]);
    let (views, _) = Fake { bound, ..Fake::default() }.views();
    serving_as(with_tokens(), Patience::default(), views, |address, _, _| {
        let get = |path: &str, name: &str| {
            let answer = send(address, "GET", path, &bearer(name), "");
            serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()
        };
        for (name, realms) in [
            ("own", vec!["ims.test"]),
            ("other", vec!["other.test"]),
            ("all", vec!["ims.test", "other.test"]),
            ("auditor", vec!["ims.test", "other.test"]),
            ("sre", vec!["ims.test", "other.test"]),
        ] {
            assert_eq!(get("/v1/realms", name)["realms"], serde_json::json!(realms), "{name}");
            for view in [get("/v1/policies", name)["policies"][0].clone(), get("/v1/policies/quiet", name)] {
                let bound = view["bound"].as_array().unwrap();
                let bound: Vec<&str> = bound.iter().map(|place| place["realm"].as_str().unwrap()).collect();
                assert_eq!(bound, realms, "{name}");
            }
        }
        let entries = |query: &str, name: &str| {
            let page = get(&format!("/v1/operator-events{query}"), name);
            let seqs: Vec<u64> =
                page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
            (seqs, page["next"].as_u64().unwrap())
        };
        assert_eq!(entries("", "sre"), (vec![1, 2, 3, 4, 5, 6], 6));
        assert_eq!(entries("", "own"), (vec![1, 2, 4, 5], 6));
        assert_eq!(entries("?after=1&limit=2", "own"), (vec![2], 3));
        assert_eq!(entries("?after=6", "own"), (vec![], 6));
        let answer = send(address, "GET", "/v1/operator-events?limit=0", &bearer("sre"), "");
        assert_eq!(status(&answer), "400");
        let answer = send(address, "GET", "/v1/operator-events?after=x", &bearer("sre"), "");
        assert!(status(&answer) == "400" && answer.head.contains("application/problem+json"), "{}", answer.head);
    });
}

#[test]
fn the_operators_page_has_the_matrix_of_all_routes() {
    let page = include_str!("../../../docs/operators.md");
    let mark = |may: bool| if may { "yes" } else { "no" };
    let mut missing = Vec::new();
    for endpoint in routes::all() {
        let Some(roles) = endpoint.right.roles() else { continue };
        let operators = match roles.operators {
            Operators::Any => "of any realm",
            Operators::All => "`operator:*`",
            Operators::OfPath | Operators::OfQuery | Operators::OfBody => "of the realm",
            Operators::OfUser => "of the user's realm",
        };
        let (auditor, sre) = (mark(roles.auditor), mark(roles.sre));
        let row =
            format!("| `{} {}` | {operators} | {auditor} | {sre} |", method_name(&endpoint.method), endpoint.path);
        if !page.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "docs/operators.md lacks these rows:\n{}", missing.join("\n"));
}
