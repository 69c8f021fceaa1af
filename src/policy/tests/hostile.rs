//! Hostile guests: each costs one verdict or one refused upload, said in its own word, and whoever asks next is answered.
#![allow(clippy::format_collect)] // Readable; and nothing here is built often.

use super::guest::{Guest, admission_error, answer, manage, refuse};
use super::{ENGINE, Recorder};
use crate::config;
use crate::policy::check::{Report, examine};
use crate::policy::{Binding, Engine, NoCounters, PolicyError, STANDARD_COMPONENT, samples};
use crate::queue::question::{Failure, Handling, Question, Verdict};
use crate::queue::standard;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SPIN: &str = "(loop $for_ever (br $for_ever)) unreachable";
const GIGABYTE: &str = "(if (i32.eq (memory.grow (i32.const 16384)) (i32.const -1)) (then unreachable)) unreachable";

/// Where a guest's memory is all zeros, which is text, too, if there are more pages than one.
const FREE: u32 = 70_000;

fn handling() -> Question {
    Question::Handling { context: samples::sample_context(), message: samples::sample_message() }
}

/// A guest whose `admission` does this and whose `handling` answers `manage`, unlike the standard.
fn guest(admission: impl Into<String>) -> Guest {
    Guest::new().judge("admission", admission).judge("handling", manage())
}

fn bind(engine: &Engine, bytes: &[u8]) -> Binding {
    let component = engine.load(bytes).unwrap_or_else(|error| panic!("{error}"));
    Binding::new(Arc::new(component), "{}").unwrap_or_else(|error| panic!("{error}"))
}

/// Each question costs one verdict and no more than its time; the next one, and every other binding, is answered.
#[track_caller]
fn costs_one_verdict(guest: &Guest, failure: Failure) -> String {
    let bytes = guest.build();
    let (hostile, standard) = (bind(&ENGINE, &bytes), bind(&ENGINE, STANDARD_COMPONENT));
    let mut detail = String::new();
    for _ in 0..3 {
        let start = Instant::now();
        let failed = hostile.judge(&samples::admission()).unwrap_err();
        // 10 ms of a processor; the rest is for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(failed.failure, failure, "{}", failed.detail);
        assert_eq!(hostile.judge(&handling()), Ok(Verdict::Handling(Handling::Manage)));
        assert_eq!(standard.judge(&handling()), Ok(standard::answer(&handling())));
        detail = failed.detail;
    }
    refused(&bytes, "self-test");
    detail
}

/// The upload is refused in this word; the next one is taken.
#[track_caller]
fn refused(bytes: &[u8], kind: &str) -> Report {
    let start = Instant::now();
    let (report, component) = examine(bytes, None, &ENGINE).unwrap();
    let text = report.to_string();
    assert!(component.is_none(), "{text}");
    assert_eq!(report.findings().iter().map(|finding| finding.kind).collect::<Vec<_>>(), [kind], "{text}");
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    assert!(text.len() < 16 << 10, "{} octets of report", text.len());
    let (next, component) = examine(STANDARD_COMPONENT, None, &ENGINE).unwrap();
    assert!(component.is_some(), "{next}");
    report
}

fn report_of(bytes: &[u8]) -> Report {
    examine(bytes, None, &ENGINE).unwrap().0
}

/// A component with settings whose two functions do this.
fn with_settings(schema: impl Into<String>, configure: impl Into<String>) -> Vec<u8> {
    Guest::new().settings(schema, configure).judge("handling", manage()).build()
}

/// The body of `settings.schema` that gives a text, and the guest that has it.
fn giving(schema: &[u8]) -> Vec<u8> {
    let mut bare = Guest::new();
    let (at, length) = bare.text(schema);
    bare.settings(answer(&[(0, at), (4, length)]), answer(&[])).judge("handling", manage()).build()
}

#[test]
fn an_endless_loop() {
    costs_one_verdict(&guest(SPIN), Failure::Timeout);
}

#[test]
fn a_memory_hog() {
    costs_one_verdict(&guest(GIGABYTE), Failure::Memory);
    let by_pages = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    costs_one_verdict(&guest(by_pages), Failure::Memory);
}

#[test]
fn deep_recursion() {
    let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    costs_one_verdict(&guest("(call $deep (i32.const 0))").with(deep), Failure::Trap);
    let mutual = "(func $ping (result i64) (i64.add (i64.const 1) (call $pong)))
        (func $pong (result i64) (i64.add (i64.const 1) (call $ping)))";
    costs_one_verdict(&guest("(drop (call $ping)) unreachable").with(mutual), Failure::Trap);
}

#[test]
fn table_growth() {
    let hog = "(drop (table.grow $t (ref.null func) (i32.const 30000))) unreachable";
    costs_one_verdict(&guest(hog).with("(table $t 1 funcref)"), Failure::Memory);
    let large = Guest::new().judge("handling", manage()).with("(table $t 2000000 funcref)");
    refused(&large.build(), "compile");
}

#[test]
fn huge_texts_as_answers() {
    // More than a call may hand out, more than there is memory, and a megabyte of an error.
    costs_one_verdict(&guest(refuse(480, (0, 300 << 10))).pages(8), Failure::Nonsense);
    costs_one_verdict(&guest(refuse(480, (8192, 0x7fff_ffff))), Failure::Nonsense);
    costs_one_verdict(&guest(admission_error((0, 1 << 20))).pages(20), Failure::Nonsense);
    // What may be handed out is still no reason phrase.
    let detail = costs_one_verdict(&guest(refuse(480, (FREE, 100 << 10))).pages(8), Failure::Nonsense);
    assert!(detail.contains("102400 octets"), "{detail}");
}

#[test]
fn a_long_error_of_its_own_is_cut_before_anybody_reads_it() {
    let long = guest(admission_error((FREE, 200 << 10))).pages(8);
    costs_one_verdict(&long, Failure::Refused);
    let report = report_of(&long.build());
    assert!(report.self_test[0].failures.iter().all(|failure| failure.len() < 1_000));
}

#[test]
fn huge_lines_for_the_log() {
    let log = |length: u32| {
        format!("(call $log (i32.const 1) (i32.const {FREE}) (i32.const {length})) {}", answer(&[(16, 60)]))
    };
    // One that a call may hand out is cut; one beyond that ends the call.
    let bytes = guest(log(200 << 10)).pages(8).importing_log().build();
    assert!(bind(&ENGINE, &bytes).judge(&samples::admission()).is_ok());
    costs_one_verdict(&guest(log(300 << 10)).pages(8).importing_log(), Failure::Nonsense);
    costs_one_verdict(&guest(log(0x7fff_ffff)).importing_log(), Failure::Nonsense);
}

#[test]
fn a_flood_of_lines() {
    let flood = |lines: u32| {
        format!(
            "(local $n i32)
             (loop $more
               (call $log (i32.const 1) (i32.const {FREE}) (i32.const 1000))
               (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {lines}))))
             {}",
            answer(&[(16, 60)])
        )
    };
    let counters = Arc::new(Recorder::default());
    let engine =
        Engine::new(&config::Policy { instances_max: 1, ..config::Policy::default() }, counters.clone()).unwrap();
    let chatty = bind(&engine, &guest(flood(100)).importing_log().build());
    assert!((0..10).all(|_| chatty.judge(&samples::admission()).is_ok()));
    // Eight lines of each call are kept, and of those twenty are written, or a few more if the machine is slow.
    let dropped = *counters.dropped.lock().unwrap();
    assert!((920..=980).contains(&dropped), "{dropped}");
    // A line costs its writer: who never stops runs into the deadline.
    let for_ever =
        format!("(loop $more (call $log (i32.const 1) (i32.const {FREE}) (i32.const 1000)) (br $more)) unreachable");
    costs_one_verdict(&guest(for_ever).importing_log(), Failure::Timeout);
}

#[test]
fn invalid_utf_8_and_values_of_no_type() {
    let text = |bytes: &[u8]| {
        let mut bare = Guest::new();
        let at = bare.text(bytes);
        (bare, at)
    };
    for bytes in [&b"\xff\xfe"[..], b"\xc0\x80", b"\xed\xa0\x80", b"ok\xf4\x90\x80\x80", b"\xe2\x82"] {
        let (bare, at) = text(bytes);
        costs_one_verdict(&bare.judge("admission", refuse(480, at)).judge("handling", manage()), Failure::Nonsense);
    }
    let (bare, (at, length)) = text(b"\xff");
    let line = format!("(call $log (i32.const 1) (i32.const {at}) (i32.const {length})) {}", answer(&[(16, 60)]));
    costs_one_verdict(&bare.importing_log().judge("admission", line).judge("handling", manage()), Failure::Nonsense);
    // A level, a case, an address that do not exist.
    let level = "(call $log (i32.const 77) (i32.const 8192) (i32.const 1)) unreachable";
    costs_one_verdict(&guest(level).importing_log(), Failure::Nonsense);
    costs_one_verdict(&guest(answer(&[(8, 77)])), Failure::Nonsense);
    costs_one_verdict(&guest("(i32.const -8)"), Failure::Nonsense);
    costs_one_verdict(&guest("(i32.const 1025)"), Failure::Nonsense);
}

#[test]
fn a_trap_a_loop_and_a_gigabyte_at_the_start() {
    let starting = |body: &str| Guest::new().judge("handling", manage()).starting(body).build();
    let words = |bytes: &[u8]| refused(bytes, "start").findings()[0].what.clone();
    assert!(words(&starting("unreachable")).contains("(trap)"));
    assert!(words(&starting("(loop $l (br $l))")).contains("(timeout)"));
    assert!(words(&starting(GIGABYTE)).contains("(memory)"));
}

#[test]
fn a_component_that_starts_badly_only_later() {
    // Its memory is its own: it cannot know how often it was started. What it can do is to fail on the settings of one binding.
    let picky = format!("(if (i32.gt_u (local.get $length) (i32.const 2)) (then unreachable)) {}", answer(&[]));
    let mut bare = Guest::new();
    let (at, length) = bare.text(b"true");
    let bytes = bare.settings(answer(&[(0, at), (4, length)]), picky).judge("handling", manage()).build();
    let component = Arc::new(ENGINE.load(&bytes).unwrap());
    let good = Binding::new(Arc::clone(&component), "{}").unwrap();
    assert!(matches!(Binding::new(component, "{\"a\":1}"), Err(PolicyError::Settings { .. })));
    assert!(examine(&bytes, Some("{\"a\":1}"), &ENGINE).unwrap().1.is_none());
    assert!(good.judge(&handling()).is_ok());
}

#[test]
fn settings_that_trap_hang_or_want_a_gigabyte() {
    let constant = |configure: &str| {
        let mut bare = Guest::new();
        let (at, length) = bare.text(b"{}");
        bare.settings(answer(&[(0, at), (4, length)]), configure).judge("handling", manage()).build()
    };
    for configure in ["unreachable", SPIN, GIGABYTE, "(i32.const -8)"] {
        let bytes = constant(configure);
        let report = refused(&bytes, "settings");
        assert!(report.findings()[0].what.len() > 30, "{report}");
        let component = Arc::new(ENGINE.load(&bytes).unwrap());
        let error = Binding::new(component, "{}").err().unwrap();
        // Whoever does not come to an end may have met with a slow machine.
        let slow = configure == SPIN;
        assert_eq!(matches!(error, PolicyError::NoAnswer { failure: Failure::Timeout, .. }), slow, "{error}");
        assert_eq!(matches!(error, PolicyError::Settings { .. }), !slow, "{error}");
    }
    for (schema, word) in
        [("unreachable", "trap"), (SPIN, "timeout"), (GIGABYTE, "memory"), ("(i32.const -8)", "nonsense")]
    {
        let bytes = with_settings(schema, answer(&[]));
        let report = refused(&bytes, "schema-failed");
        assert!(report.findings()[0].what.contains(&format!("({word})")), "{report}");
    }
    // A schema of more than a call may hand out.
    let huge = Guest::new().pages(8).settings(answer(&[(0, 0), (4, 300 << 10)]), answer(&[]));
    refused(&huge.judge("handling", manage()).build(), "schema-failed");
}

#[test]
fn a_hostile_schema() {
    refused(&giving(b"\xff\xfe"), "schema-failed");
    refused(&giving(br##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}"##), "schema");
    refused(&giving(br#"{"$ref":"https://example.com/schema.json"}"#), "schema");
    refused(&giving(br#"{"$ref":"file:///etc/passwd"}"#), "schema");
    refused(&giving(br#"{"pattern":"((a{1000}){1000}){1000}"}"#), "schema");
    refused(&giving(br#"{"pattern":"(?=(a+))\\1"}"#), "schema");
    refused(&giving("[".repeat(5_000).as_bytes()), "schema");
    refused(&giving(("{\"not\":".repeat(700) + "{}").as_bytes()), "schema");
    let doubling: Vec<String> = (0..40)
        .map(|n| format!(r##""l{n}":{{"allOf":[{{"$ref":"#/$defs/l{m}"}},{{"$ref":"#/$defs/l{m}"}}]}}"##, m = n + 1))
        .collect();
    let schema = format!(r#"{{"$defs":{{{},"l40":true}}}}"#, doubling.join(","));
    refused(&giving(schema.as_bytes()), "schema");
}

#[test]
fn thousands_of_exports_imports_and_types() {
    let component = |body: String| wat::parse_str(format!("(component {body})")).unwrap();
    let exports = |number: u32| -> String {
        let one = |n| format!("(instance $i{n}) (export \"restante:policy/made-up-{n}@1.0.0\" (instance $i{n}))");
        (0..number).map(one).collect()
    };
    refused(&component(exports(400)), "too-many");
    refused(&component(exports(5_000)), "compile");
    let imports =
        |number: u32| -> String { (0..number).map(|n| format!("(import \"acme:x/y{n}@1.0.0\" (instance))")).collect() };
    refused(&component(imports(400)), "too-many");
    refused(&component(imports(5_000)), "compile");
    let functions: String = (0..5_000).map(|n| format!("(export \"f{n}\" (func))")).collect();
    let (start, end) = (r#"(import "acme:x/y@1.0.0" (instance"#, "))");
    let decides = Guest::new().judge("handling", manage()).importing("acme:tools@1.0.0", "lookup", "get").build();
    refused(&decides, "import");
    let report = report_of(&component(format!("{start} {functions} {end}")));
    assert_eq!(report.findings()[0].kind, "import", "{report}");
    assert!(report.to_string().len() < 4_000, "{report}");
    refused(&component("(type (func))".repeat(20_000)), "no-interface");
    let name = "a".repeat(20_000);
    refused(
        &component(format!("(instance $i) (export \"restante:policy/{name}@1.0.0\" (instance $i))")),
        "no-interface",
    );
    let core = format!("(core module {})", "(func)".repeat(50_000));
    refused(&component(core), "no-interface");
    let modules = "(core module) ".repeat(2_000);
    refused(&component(modules), "compile");
}

#[test]
fn more_instances_than_a_component_may_have() {
    let instances: String = (0..200).map(|n| format!("(core instance $i{n} (instantiate $m))")).collect();
    let bytes = wat::parse_str(format!("(component (core module $m (memory 1)) {instances})")).unwrap();
    refused(&bytes, "compile");
}

#[test]
fn precompiled_code_and_what_is_no_component() {
    refused(&ENGINE.precompiled(STANDARD_COMPONENT), "precompiled");
    refused(&Guest::new().judge("handling", manage()).core(), "core-module");
    refused(b"\x7fELF\x02\x01\x01", "not-wasm");
    let mut damaged = STANDARD_COMPONENT.to_vec();
    for at in (100..damaged.len()).step_by(997) {
        damaged[at] ^= 0x55;
    }
    refused(&damaged, "compile");
}

#[test]
fn a_crowd_of_hostile_bindings_leaves_the_others_answered() {
    let limits = config::Policy { instances_max: 3, call_ms_max: 5, ..config::Policy::default() };
    let engine = Engine::new(&limits, Arc::new(NoCounters)).unwrap();
    let hostile: Vec<Binding> =
        [SPIN, GIGABYTE, "unreachable"].iter().map(|body| bind(&engine, &guest(*body).build())).collect();
    let good = bind(&engine, STANDARD_COMPONENT);
    std::thread::scope(|scope| {
        for binding in &hostile {
            scope.spawn(move || (0..20).for_each(|_| assert!(binding.judge(&samples::admission()).is_err())));
        }
        scope.spawn(|| {
            let answered = (0..200).filter(|_| good.judge(&handling()).is_ok()).count();
            // At most three want an instance when there are three; the fourth waits for one at most 5 ms.
            assert!(answered > 100, "{answered}");
        });
    });
    assert_eq!(good.judge(&handling()), Ok(standard::answer(&handling())));
}
