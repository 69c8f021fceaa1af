//! What becomes of a process that compiles, and of what it says.
#![allow(clippy::format_collect)] // Readable; and nothing here is built often.

use super::*;
use crate::policy::tests::ENGINE;
use crate::policy::{Binding, NoCounters, STANDARD_COMPONENT, samples};
use std::sync::Arc;

const CODE: u64 = 8 << 20;

/// An engine whose worker is this shell script.
fn engine(script: &str) -> Engine {
    let arguments = ["-c", script].map(OsString::from);
    let limits = config::Policy { instances_max: 2, ..config::Policy::default() };
    Engine::with_worker(&limits, Arc::new(NoCounters), Worker::new("/bin/sh".into(), arguments, CODE)).unwrap()
}

fn refusal(script: &str) -> String {
    let error = engine(script).compile(STANDARD_COMPONENT).err().unwrap();
    assert!(error.is_of_component(), "{error}");
    error.to_string()
}

#[test]
fn its_code_is_code_for_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("code");
    std::fs::write(&file, compile_here(&config::Policy::default(), STANDARD_COMPONENT).unwrap()).unwrap();
    let engine = engine(&format!("cat > /dev/null; cat {}", file.display()));
    let component = Arc::new(engine.load(STANDARD_COMPONENT).unwrap_or_else(|error| panic!("{error}")));
    assert!(Binding::new(component, "{}").unwrap().judge(&samples::admission()).is_ok());
}

#[test]
fn its_engine_is_that_of_the_service() {
    let mut config = engine_config(&config::Policy::default());
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand).parallel_compilation(false);
    assert_eq!(super::super::code::hash_of(&wasmtime::Engine::new(&config).unwrap()), ENGINE.0.hash);
}

#[test]
fn what_it_says_of_a_component_is_said_to_its_author() {
    assert_eq!(refusal("cat > /dev/null; echo 'it is damaged' >&2; exit 65"), "it is damaged");
    assert!(refusal("yes 'no' | head -c 1000000 >&2; exit 65").len() <= 4 << 10);
}

#[test]
fn a_process_that_is_ended_for_what_it_used_is_a_refusal() {
    for signal in ["XCPU", "ABRT", "SEGV"] {
        let words = refusal(&format!("kill -{signal} $$"));
        assert!(words.contains("takes more than 4096 MiB or policy.compile-secs-max"), "{words}");
    }
    // A panic of the compiler is not tried again in the service.
    assert!(refusal("exit 101").contains("compiling it fails"));
}

#[test]
fn more_code_than_may_be_is_a_refusal() {
    let words = refusal("cat > /dev/null; head -c 9000000 /dev/zero");
    assert!(words.contains("8388608 octets of code"), "{words}");
}

#[test]
fn nonsense_for_code_is_a_refusal() {
    assert!(!refusal("cat > /dev/null; echo nonsense").is_empty());
    assert!(!refusal("exit 0").is_empty());
}

#[test]
fn what_somebody_else_ends_says_nothing_of_the_component_and_nothing_is_compiled_in_the_service() {
    let limits = config::Policy { instances_max: 2, ..config::Policy::default() };
    let nowhere = Worker::new("/nonexistent/program".into(), [], CODE);
    let nowhere = Engine::with_worker(&limits, Arc::new(NoCounters), nowhere).unwrap();
    // Not by SIGINT: where the tests run in the background, it is ignored.
    let ended = ["kill -KILL $$", "kill -TERM $$", "exit 71", "exit 127"].map(engine);
    for engine in ended.iter().chain([&nowhere]) {
        let error = engine.compile(STANDARD_COMPONENT).err().unwrap();
        assert!(!error.is_of_component(), "{error}");
        assert!(matches!(engine.load(STANDARD_COMPONENT), Err(PolicyError::Worker(_))));
    }
}

#[test]
fn what_is_wrong_is_found_by_the_process_too() {
    let why = compile_here(&config::Policy::default(), &STANDARD_COMPONENT[..1000]).unwrap_err();
    assert!(!why.is_empty());
}

/// A function whose every local lives through every loop: what the compiler keeps of it grows with their product.
fn bomb() -> Vec<u8> {
    let (locals, loops) = (4_000, 4_000);
    let uses: String = (0..locals).map(|local| format!("local.get {local} drop ")).collect();
    let (open, close) = ("loop ".repeat(loops), "end ".repeat(loops));
    let declared = "i32 ".repeat(locals);
    wat::parse_str(format!("(component (core module (func (local {declared}) {open} {uses} {close})))")).unwrap()
}

/// Not a test by itself: the process of the next one.
#[test]
#[ignore = "it limits and ends its process: the_compiler_is_exhausted_in_its_own_process runs it"]
fn a_process_with_little_room() {
    let bounds = Bounds { address_space: 600 << 20, processor: 20 };
    let served = serve(bounds, &config::Policy::default(), io::stdin(), io::sink());
    assert!(served.is_ok());
}

#[test]
fn the_compiler_is_exhausted_in_its_own_process() {
    let arguments = ["--exact", "policy::engine::worker::tests::a_process_with_little_room", "--ignored"];
    let worker = Worker::new(this_program(), arguments.map(OsString::from), CODE);
    assert!(worker.compile(STANDARD_COMPONENT).is_ok());
    let bomb = bomb();
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let error = worker.compile(&bomb).err().unwrap();
    assert!(matches!(&error, WorkerError::Exhausted(status) if status.signal().is_some()), "{error}");
}
