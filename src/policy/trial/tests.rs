//! What an author is told: fuel, time, lines, where it trapped.

use super::*;
use crate::policy::tests::guest::{Guest, answer, manage};
use crate::policy::{STANDARD_COMPONENT, samples};
use crate::queue::question::Failure;
use crate::queue::standard;

fn trial(component: &[u8]) -> Trial {
    Trial::new(component, "{}", &config::Policy::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_standard_policy_answers_and_costs_the_same_each_time() {
    let mut trial = trial(STANDARD_COMPONENT);
    assert!(Hook::ALL.into_iter().all(|hook| trial.decides(hook)));
    for (name, question) in samples::all() {
        let (first, second) = (trial.ask(&question), trial.ask(&question));
        assert_eq!(first.answer, Ok(standard::answer(&question)), "{name}");
        assert_eq!(first.fuel, second.fuel, "{name}");
        assert!((100..1_000_000).contains(&first.fuel), "{name}: {}", first.fuel);
        assert!(first.took > Duration::ZERO && first.log.is_empty() && first.backtrace.is_none(), "{first:?}");
    }
}

#[test]
fn a_trap_is_told_with_the_functions_that_led_to_it() {
    let deep = "(func $inner unreachable) (func $outer (call $inner))";
    let bytes = Guest::new().judge("admission", "(call $outer) unreachable").with(deep).build();
    let tried = trial(&bytes).ask(&samples::admission());
    assert_eq!(tried.answer.unwrap_err().failure, Failure::Trap);
    let trace = tried.backtrace.unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    assert!(lines[0].starts_with("inner at 0x") && lines[1].starts_with("outer at 0x"), "{trace}");
    assert_eq!(lines.len(), 3, "{trace}");
}

#[test]
fn its_limits_are_those_of_the_server() {
    let spin = Guest::new().judge("admission", "(loop $l (br $l)) unreachable").build();
    assert_eq!(trial(&spin).ask(&samples::admission()).answer.unwrap_err().failure, Failure::Timeout);
    let hog = "(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then unreachable)) unreachable";
    let hog = Guest::new().judge("admission", hog).build();
    assert_eq!(trial(&hog).ask(&samples::admission()).answer.unwrap_err().failure, Failure::Memory);
}

#[test]
fn its_lines_are_told_in_full_and_what_is_beyond_is_counted() {
    let mut bare = Guest::new();
    let (at, length) = bare.text(b"to sip:bob@x.test\n");
    let chatter = format!(
        "(local $n i32)
         (loop $more
           (call $log (i32.const 2) (i32.const {at}) (i32.const {length}))
           (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10))))
         {}",
        answer(&[(16, 60)])
    );
    let tried = trial(&bare.importing_log().judge("admission", chatter).build()).ask(&samples::admission());
    assert!(tried.answer.is_ok());
    assert_eq!(tried.log.len(), 9);
    assert_eq!(tried.log[0], ("warn".to_owned(), "to sip:bob@x.test\\n".to_owned()));
    assert!(tried.log[8].1.contains("2 more lines are dropped"), "{:?}", tried.log);
}

#[test]
fn state_between_questions_is_noticed() {
    let count = "(i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (i32.const 1)))";
    let judge = format!("{count} (drop (i32.const 0)) {}", answer(&[(16, 60)]));
    let steady = trial(&Guest::new().judge("admission", judge).build()).ask(&samples::admission());
    assert!(steady.log.is_empty(), "{steady:?}");
    let judge = format!(
        "{count} (memory.fill (i32.const 1024) (i32.const 0) (i32.const 64))
         (i32.store (i32.const 1040) (i32.load (i32.const 16))) (i32.const 1024)"
    );
    let fickle = trial(&Guest::new().judge("admission", judge).build()).ask(&samples::admission());
    assert!(fickle.answer.is_ok());
    assert!(fickle.log[0].1.contains("keeps state between questions"), "{fickle:?}");
}

#[test]
fn a_component_that_cannot_be_bound_cannot_be_tried() {
    let limits = config::Policy::default();
    assert!(matches!(Trial::new(b"", "{}", &limits), Err(PolicyError::Unacceptable { .. })));
    assert!(matches!(Trial::new(STANDARD_COMPONENT, "{\"x\":1}", &limits), Err(PolicyError::Settings { .. })));
    let only = trial(&Guest::new().judge("handling", manage()).build());
    assert!(only.decides(Hook::Handling) && !only.decides(Hook::Admission) && only.log().is_empty());
}
