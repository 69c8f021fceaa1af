//! The embedded component says what the native standard rule says, on any question.

use super::{ENGINE, REALM, hosting, strategy};
use crate::policy::{Binding, Host, Judges, NativeJudge, NoCounters, STANDARD_COMPONENT, check::check, samples};
use crate::queue::question::{Hook, Judge};
use crate::queue::standard;
use crate::types::Digest;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

static BINDING: LazyLock<Arc<Binding>> =
    LazyLock::new(|| Arc::new(Binding::new(Arc::new(ENGINE.load(STANDARD_COMPONENT).unwrap()), "{}").unwrap()));
static HOST: LazyLock<Arc<Host>> = LazyLock::new(|| hosting(&BINDING, Arc::new(NoCounters)));

fn digest() -> Digest {
    Digest::of(STANDARD_COMPONENT)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_component_agrees_with_the_native_standard(question in strategy::question()) {
        prop_assert_eq!(BINDING.judge(&question), Ok(standard::answer(&question)));
    }
}

#[test]
fn the_component_is_the_file_that_its_digest_names() {
    let kept = include_str!("../../../policies/standard.wasm.sha256");
    assert_eq!(kept.split_whitespace().next(), Some(digest().to_string().as_str()));
}

#[test]
fn the_component_is_acceptable_and_decides_everything() {
    let report = check(STANDARD_COMPONENT, &ENGINE).unwrap();
    assert!(report.is_acceptable(), "{report}");
    assert_eq!(report.facts.hooks, Hook::ALL);
    assert_eq!(report.self_test.len(), Hook::ALL.len());
    for test in &report.self_test {
        assert_eq!((test.failed, test.unlike_standard), (0, 0), "{test:?}");
        assert!(test.asked >= 10, "{test:?}");
    }
    for hook in Hook::ALL {
        assert_eq!(HOST.bound(REALM, hook), Some(digest()));
    }
}

#[test]
fn without_a_component_the_standard_rule_answers_as_itself() {
    for (name, question) in samples::all() {
        let ruling = NativeJudge.ask(&question);
        assert_eq!(ruling.judge, Judge::Native, "{name}");
        assert_eq!(ruling.verdict, standard::answer(&question), "{name}");
    }
}

#[test]
fn many_threads_ask_at_once() {
    let questions = samples::all();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (name, question) in &questions {
                    let ruling = HOST.ask(question);
                    assert_eq!(ruling.judge, Judge::Component(digest()), "{name}");
                    assert_eq!(ruling.verdict, standard::answer(question), "{name}");
                }
            });
        }
    });
}
