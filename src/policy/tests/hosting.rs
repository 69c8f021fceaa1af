//! Hostile and failing guests: each costs one verdict, and the next question is answered.

use super::guest::{ANSWER, Guest, admission_error, answer, manage, refuse};
use super::{ENGINE, REALM, Recorder, host_of, hosting};
use crate::config;
use crate::policy::{
    Binding, Engine, Host, Judges, Keeper, NoCounters, Outcome, Placement, PolicyError, STANDARD_COMPONENT, samples,
};
use crate::queue::question::{Admission, Delivery, Failure, Handling, Hook, Judge, Question, Ruling, Verdict};
use crate::queue::standard;
use crate::shelf::MemoryShelf;
use crate::types::{Digest, SeedSecret, Timestamp};
use std::sync::Arc;

fn admission() -> Question {
    samples::admission()
}

fn handling() -> Question {
    Question::Handling { context: samples::sample_context(), message: samples::sample_message() }
}

fn delivery() -> Question {
    let context = samples::sample_context();
    let client = context.clients[0].clone();
    Question::Delivery { context, message: samples::sample_message(), client }
}

const MANAGE: Verdict = Verdict::Handling(Handling::Manage);

/// A guest whose `admission` does this and whose `handling` answers `manage`, unlike the standard.
fn guest(admission: impl Into<String>) -> Guest {
    Guest::new().judge("admission", admission).judge("handling", manage())
}

/// Its `admission` fails so, each time; nothing else suffers.
#[track_caller]
fn fails(bytes: &[u8], failure: Failure) {
    let digest = Digest::of(bytes);
    let host = host_of(&ENGINE, bytes);
    for _ in 0..3 {
        let ruling = host.ask(&admission());
        assert_eq!(ruling.judge, Judge::Fallback(digest, failure));
        assert_eq!(ruling.verdict, standard::answer(&admission()));
        assert_eq!(host.ask(&handling()), Ruling { verdict: MANAGE, judge: Judge::Component(digest) });
        let unbound = host.ask(&delivery());
        assert_eq!(unbound, Ruling { verdict: standard::answer(&delivery()), judge: Judge::Native });
    }
}

#[test]
fn an_endless_loop_is_ended_at_its_deadline() {
    fails(&guest("(loop $for_ever (br $for_ever)) unreachable").build(), Failure::Timeout);
}

#[test]
fn a_trap_costs_one_verdict() {
    fails(&guest("unreachable").build(), Failure::Trap);
}

#[test]
fn an_access_out_of_bounds_traps() {
    fails(&guest("(i32.load (i32.const -4))").build(), Failure::Trap);
}

#[test]
fn deep_recursion_traps() {
    let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    fails(&guest("(call $deep (i32.const 0))").with(deep).build(), Failure::Trap);
}

#[test]
fn a_memory_hog_is_refused_and_told_apart_from_other_traps() {
    let hog = "(loop $more
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (br $more)) unreachable";
    fails(&guest(hog).build(), Failure::Memory);
}

#[test]
fn a_table_hog_is_refused() {
    let hog = "(drop (table.grow $t (ref.null func) (i32.const 30000))) unreachable";
    fails(&guest(hog).with("(table $t 1 funcref)").build(), Failure::Memory);
}

#[test]
fn memory_that_was_refused_may_be_done_without() {
    let modest = format!("(drop (memory.grow (i32.const 60000))) {}", answer(&[(8, 0), (16, 60)]));
    let bytes = guest(modest).build();
    let ruling = host_of(&ENGINE, &bytes).ask(&admission());
    assert_eq!(ruling.judge, Judge::Component(Digest::of(&bytes)));
    assert_eq!(ruling.verdict, Verdict::Admission(Admission::Accept { expiry_max_secs: 60 }));
}

#[test]
fn an_error_of_its_own_is_a_refusal() {
    let mut bare = Guest::new();
    let text = bare.text("no idea\r\n".as_bytes());
    fails(&bare.judge("admission", admission_error(text)).judge("handling", manage()).build(), Failure::Refused);
}

#[test]
fn a_verdict_without_sense_is_told_apart() {
    for (status, reason) in [(200, "OK"), (399, ""), (700, ""), (480, "a\r\nb"), (480, &"x".repeat(129))] {
        let mut bare = Guest::new();
        let text = bare.text(reason.as_bytes());
        let guest = bare.judge("admission", refuse(status, text)).judge("handling", manage());
        fails(&guest.build(), Failure::Nonsense);
    }
    // Accepted for no time; an extension that this version does not know.
    fails(&guest(answer(&[])).build(), Failure::Nonsense);
    fails(&guest(answer(&[(8, 2)])).build(), Failure::Nonsense);
}

#[test]
fn an_answer_that_is_no_value_of_its_type_makes_no_sense() {
    let mut bare = Guest::new();
    let text = bare.text(b"\xff\xfe");
    fails(&bare.judge("admission", refuse(480, text)).judge("handling", manage()).build(), Failure::Nonsense);
    // A text outside of the memory, one of more than 256 KiB, a case that the variant does not have, no address.
    fails(&guest(refuse(480, (0xffff_0000, 0x10_0000))).build(), Failure::Nonsense);
    fails(&guest(refuse(480, (0, 300 << 10))).pages(8).build(), Failure::Nonsense);
    fails(&guest(answer(&[(8, 77)])).build(), Failure::Nonsense);
    fails(&guest("(i32.const -8)").build(), Failure::Nonsense);
}

#[test]
fn a_refusal_reaches_the_queue_with_status_and_reason() {
    let mut bare = Guest::new();
    let text = bare.text("Später".as_bytes());
    let ruling = host_of(&ENGINE, &bare.judge("admission", refuse(480, text)).build()).ask(&admission());
    let refused = Admission::Refuse { status: 480, reason: "Später".to_owned() };
    assert_eq!(ruling.verdict, Verdict::Admission(refused));
}

#[test]
fn a_hold_in_the_past_means_now() {
    let now = samples::sample_context().now.millis();
    for (until, verdict) in [(now, Delivery::Now), (now + 1, Delivery::HoldUntil(Timestamp(now + 1)))] {
        let low = u32::try_from(until & 0xffff_ffff).unwrap();
        let high = u32::try_from(until >> 32).unwrap();
        let bytes = Guest::new().judge("delivery", answer(&[(8, 1), (16, low), (20, high)])).build();
        let ruling = host_of(&ENGINE, &bytes).ask(&delivery());
        assert_eq!(ruling, Ruling { verdict: Verdict::Delivery(verdict), judge: Judge::Component(Digest::of(&bytes)) });
    }
}

#[test]
fn settings_are_given_to_every_instance_before_its_first_question() {
    let mut bare = Guest::new();
    let schema = bare.text(b"{}");
    let configure = format!("(i32.store (i32.const 16) (local.get $length)) {}", answer(&[]));
    let judge = format!(
        "(memory.fill (i32.const {ANSWER}) (i32.const 0) (i32.const 64))
         (i32.store (i32.const {}) (i32.load (i32.const 16)))
         (i32.const {ANSWER})",
        ANSWER + 16
    );
    let guest = bare.settings(answer(&[(0, schema.0), (4, schema.1)]), configure).judge("admission", judge);
    let component = Arc::new(ENGINE.load(&guest.build()).unwrap());
    assert_eq!(component.schema(), Some("{}"));
    for settings in ["{}", "{\"long\":true}"] {
        let binding = Arc::new(Binding::new(Arc::clone(&component), settings).unwrap());
        let ruling = hosting(&binding, Arc::new(NoCounters)).ask(&admission());
        let expiry_max_secs = settings.len() as u64;
        assert_eq!(ruling.verdict, Verdict::Admission(Admission::Accept { expiry_max_secs }));
    }
}

#[test]
fn settings_that_are_refused_cannot_be_bound() {
    let standard = Arc::new(ENGINE.load(STANDARD_COMPONENT).unwrap());
    let refused = Binding::new(standard, "{\"x\":1}").err().map(|error| error.to_string()).unwrap();
    assert!(refused.contains("the standard policy has no settings"), "{refused}");
}

#[test]
fn a_gigabyte_for_the_settings_is_no_binding() {
    let hog = "(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then unreachable)) unreachable";
    let mut bare = Guest::new();
    let schema = bare.text(b"true");
    let guest = bare.settings(answer(&[(0, schema.0), (4, schema.1)]), hog).judge("handling", manage());
    let component = Arc::new(ENGINE.load(&guest.build()).unwrap());
    assert!(matches!(Binding::new(component, "{}"), Err(PolicyError::Settings { .. })));
}

#[test]
fn a_binding_answers_only_what_its_component_exports() {
    let bytes = Guest::new().judge("handling", manage()).build();
    let host = host_of(&ENGINE, &bytes);
    assert_eq!(host.bound(REALM, Hook::Handling), Some(Digest::of(&bytes)));
    for hook in Hook::ALL.into_iter().filter(|hook| *hook != Hook::Handling) {
        assert_eq!(host.bound(REALM, hook), None);
    }
    assert_eq!(host.ask(&admission()).judge, Judge::Native);
    assert_eq!(host.ask(&handling()).verdict, MANAGE);
}

#[test]
fn each_decision_can_have_a_component_of_its_own() {
    let other = Arc::new(Binding::new(Arc::new(ENGINE.load(STANDARD_COMPONENT).unwrap()), "{}").unwrap());
    let bytes = guest("unreachable").build();
    let own = Arc::new(Binding::new(Arc::new(ENGINE.load(&bytes).unwrap()), "{}").unwrap());
    let host = Host::new(&config::Policy::default(), Arc::new(NoCounters), Box::new(|_| {}));
    let own = Placement { realm: REALM.to_owned(), hook: Hook::Handling, live: Some(own), shadow: None };
    host.install(Placement::of(REALM, &other).into_iter().chain([own]).collect());
    assert_eq!(host.ask(&admission()).judge, Judge::Component(Digest::of(STANDARD_COMPONENT)));
    assert_eq!(host.ask(&handling()), Ruling { verdict: MANAGE, judge: Judge::Component(Digest::of(&bytes)) });
}

#[test]
fn what_a_policy_logs_is_limited_and_counted() {
    let mut bare = Guest::new();
    let (at, length) = bare.text(b"hello");
    let chatter = format!(
        "(local $n i32)
         (loop $more
           (call $log (i32.const 1) (i32.const {at}) (i32.const {length}))
           (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
         {}",
        answer(&[(16, 60)])
    );
    let bytes = bare.importing_log().judge("admission", chatter).build();
    let counters = Arc::new(Recorder::default());
    let engine =
        Engine::new(&config::Policy { instances_max: 1, ..config::Policy::default() }, counters.clone()).unwrap();
    let host = host_of(&engine, &bytes);
    assert_eq!(host.ask(&admission()).judge, Judge::Component(Digest::of(&bytes)));
    assert_eq!(*counters.dropped.lock().unwrap(), 92);
}

#[test]
fn instances_are_bounded_counted_and_thrown_away() {
    let counters = Arc::new(Recorder::default());
    let limits = config::Policy { instances_max: 1, calls_per_instance: 2, ..config::Policy::default() };
    let engine = Engine::new(&limits, counters.clone()).unwrap();
    let binding = Arc::new(Binding::new(Arc::new(engine.load(STANDARD_COMPONENT).unwrap()), "{}").unwrap());
    let host = hosting(&binding, counters.clone());
    for _ in 0..4 {
        host.ask(&admission());
    }
    assert_eq!(*counters.alive.lock().unwrap(), [1, 0, 1, 0]);
    // More threads than instances: they wait for each other; who cannot wait gets the standard's verdict.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|_| assert_eq!(host.ask(&handling()).verdict, standard::answer(&handling())));
            });
        }
    });
    assert!(counters.alive.lock().unwrap().iter().all(|alive| *alive <= 1));
    let asked = counters.asked.lock().unwrap();
    assert_eq!(asked.len(), 204);
    let told = asked.iter().filter(|(_, outcome)| *outcome == Outcome::Component).count();
    let busy = asked.iter().filter(|(_, outcome)| *outcome == Outcome::Failed(Failure::Unavailable)).count();
    assert_eq!(told + busy, 204);
    assert!(told > 100, "{told}");
}

#[test]
fn outcomes_have_different_names() {
    let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Outcome::ALL.len());
}

/// As a server does at its first start.
fn open(config: &config::Config) -> Result<Arc<Host>, PolicyError> {
    let (shelf, clock) = (Arc::new(MemoryShelf::default()), Arc::new(|| Timestamp(0)));
    let engine = Engine::new(&config.policy, Arc::new(NoCounters))?;
    let keeper = Keeper::open(config, engine, shelf, SeedSecret([7; 16]), clock, Arc::new(NoCounters))?;
    Ok(keeper.host())
}

#[test]
fn the_configured_component_is_opened_and_the_embedded_one_by_default() {
    let mut config = config::Config::default();
    config.realms.insert(REALM.to_owned(), config::Realm::default());
    let host = open(&config).unwrap();
    assert_eq!(host.ask(&admission()).judge, Judge::Component(Digest::of(STANDARD_COMPONENT)));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.wasm");
    let bytes = guest("unreachable").build();
    std::fs::write(&path, &bytes).unwrap();
    config.policy.component = Some(path.clone());
    let host = open(&config).unwrap();
    assert_eq!(host.bound(REALM, Hook::Handling), Some(Digest::of(&bytes)));

    std::fs::remove_file(&path).unwrap();
    let missing = open(&config).err().map(|error| error.to_string()).unwrap();
    assert!(missing.contains("policy.component"), "{missing}");
}
