//! The past over the API: who may ask it, what reaches the port, and what its refusals are in HTTP.

use super::fake::{Fake, POLICY};
use super::who::{bearer, with_tokens};
use super::*;
use crate::policy::policies::{DiffOrder, Hindsight, HindsightError, PoliciesError, SettingsProblem};
use crate::types::Digest;
use serde_json::{Value, json};
use std::sync::Mutex;

const PATH: &str = "/v1/policies/quiet/diff";

/// A double of the port: it notes what it is asked.
#[derive(Default)]
struct FakePast {
    asked: Mutex<Vec<DiffOrder>>,
    refusal: Mutex<Option<HindsightError>>,
}

impl Hindsight for FakePast {
    fn diff(&self, policy: Digest, order: DiffOrder) -> Result<Value, HindsightError> {
        assert_eq!(policy, POLICY);
        self.asked.lock().unwrap().push(order);
        self.refusal.lock().unwrap().take().map_or(Ok(json!({"policy": "abab", "realms": {}})), Err)
    }
}

fn asking(story: impl FnOnce(&dyn Fn(&str, &str) -> Answer, &FakePast) + Send + 'static) {
    let ((views, _), past) = (Fake::default().views(), Arc::new(FakePast::default()));
    views.hindsight.fill(past.clone());
    serving_as(with_tokens(), Patience::default(), views, move |address, _, _| {
        let ask = |name: &str, body: &str| {
            let headers = format!("Content-Type: application/json\r\n{}", bearer(name));
            send(address, "POST", PATH, &headers, body)
        };
        story(&ask, &past);
    });
}

#[test]
fn the_past_of_a_realm_is_told_to_its_operator_and_to_the_auditor() {
    asking(|ask, past| {
        let own = r#"{"realm":"IMS.test"}"#;
        for (name, body, expected) in [
            ("own", own, "200"),
            ("two", own, "200"),
            ("other", own, "403"),
            ("all", own, "200"),
            ("auditor", own, "200"),
            ("sre", own, "403"),
            ("own", "", "200"),
            ("two", "", "400"),
            ("own", r#"{"realm":""}"#, "403"),
            ("all", "", "200"),
            ("auditor", "{}", "200"),
        ] {
            let answer = ask(name, body);
            assert_eq!(status(&answer), expected, "{name} {body}: {}", answer.body);
            assert_eq!(past.asked.lock().unwrap().pop().is_some(), expected == "200", "{name} {body}");
        }
    });
}

#[test]
fn an_order_reaches_the_port_whole_and_the_answer_comes_back_as_it_is() {
    asking(|ask, past| {
        let body = r#"{"since":"1970-01-01T00:00:01Z","until":"1970-01-01T00:00:02Z","realm":"IMS.test","settings":{"a":1},"examples":20}"#;
        let answer = ask("own", body);
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), json!({"policy": "abab", "realms": {}}));
        ask("all", "{}");
        let (since, until) = (Some(Timestamp(1000)), Some(Timestamp(2000)));
        let (realm, settings) = (Some("ims.test".to_owned()), Some(json!({"a": 1})));
        let whole = DiffOrder { since, until, realm, settings, examples: 20 };
        let rest = DiffOrder { examples: 3, ..DiffOrder::default() };
        assert_eq!(std::mem::take(&mut *past.asked.lock().unwrap()), [whole, rest]);
        for (body, expected) in [
            (r#"{"examples":21}"#, "422"),
            (r#"{"examples":-1}"#, "400"),
            (r#"{"since":"yesterday"}"#, "422"),
            (r#"{"realms":["a"]}"#, "400"),
            ("[", "400"),
        ] {
            assert_eq!(status(&ask("all", body)), expected, "{body}");
        }
        assert!(past.asked.lock().unwrap().is_empty());
    });
}

#[test]
fn refusals_of_the_past_have_their_status() {
    asking(|ask, past| {
        let problem = SettingsProblem { at: "/a".to_owned(), what: "is not there".to_owned() };
        let moment = Timestamp(5);
        for (error, expected) in [
            (HindsightError::Busy, "503"),
            (HindsightError::Policies(PoliciesError::Settings(vec![problem])), "422"),
            (HindsightError::Policies(PoliciesError::NoSuchRealm("x".to_owned())), "404"),
            (HindsightError::Policies(PoliciesError::Stopping), "503"),
            (HindsightError::NoTime { since: moment, until: moment }, "422"),
            (HindsightError::Past { detail: "no disk".to_owned() }, "500"),
        ] {
            let text = error.to_string();
            *past.refusal.lock().unwrap() = Some(error);
            let answer = ask("all", "{}");
            assert_eq!(status(&answer), expected, "{text}");
            assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["detail"], text);
            assert_eq!(answer.head.contains("retry-after: "), expected == "503", "{}", answer.head);
        }
    });
}
