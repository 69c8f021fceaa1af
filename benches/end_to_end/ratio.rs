//! What the component costs on the whole: the sustained deferral rate with it against the native rule.
//!
//! Two servers at once, each with its own data directory; short rounds on the one and the other in turn, the first of each
//! pair changing, so that whatever else the machine does hits both. The one server decides with the embedded standard
//! component, the other is given a component that decides nothing of a deferral: the native rule does.

use crate::guest::{Guest, answer};
use crate::load::{Kind, Load};
use crate::server::Server;
use crate::sink::Sink;
use crate::{Plan, WINDOW, micros_each, processor_time, rate, start_with};
use std::time::Duration;

/// Pairs of rounds.
const PAIRS: u32 = 8;

/// One of the two servers, and what it has done so far.
struct Side {
    name: &'static str,
    server: Server,
    load: Load,
    count: u64,
    took: Duration,
    used: Duration,
    rates: Vec<f64>,
}

impl Side {
    fn start(name: &'static str, config: &str, sink: &Sink, plan: &Plan) -> Self {
        let server = start_with(sink, config);
        let load = Load::new(server.sip(), sink.address(), Kind::Message);
        // Everybody is woken once before anything is measured.
        load.each(WINDOW, plan.spread, 0, plan.spread);
        Self { name, server, load, count: 0, took: Duration::ZERO, used: Duration::ZERO, rates: Vec::new() }
    }

    fn round(&mut self, span: Duration, users: u64) {
        let before = processor_time(&self.server);
        let done = self.load.for_a_while(WINDOW, span, users);
        self.used += processor_time(&self.server).saturating_sub(before);
        self.count += done.count;
        self.took += done.took;
        self.rates.push(rate(done.count, done.took));
    }

    fn tell(&self) {
        println!(
            "policy: {:9}: {:8.0}/s, {:6.1} µs of the server's processors each ({} messages)",
            self.name,
            rate(self.count, self.took),
            micros_each(self.used, self.count),
            self.count
        );
    }

    fn answered(&self, outcome: &str) -> f64 {
        let name = format!("restante_policy_calls_total{{hook=\"admission\",outcome=\"{outcome}\"}}");
        self.server.metric(&name).unwrap()
    }
}

/// Prints both rates and their ratio.
pub fn ratio(plan: &Plan) {
    let sink = Sink::start();
    let place = tempfile::tempdir().unwrap();
    let idle = place.path().join("idle.wasm");
    std::fs::write(&idle, Guest::new().judge("expiry", answer(&[])).build()).unwrap();
    let mut component = Side::start("component", "", &sink, plan);
    let mut native = Side::start("native", &format!("[policy]\ncomponent = \"{}\"", idle.display()), &sink, plan);
    let span = plan.span.saturating_mul(2) / PAIRS;
    for pair in 0..PAIRS {
        let (first, second) = if pair % 2 == 0 { (&mut component, &mut native) } else { (&mut native, &mut component) };
        first.round(span, plan.spread);
        second.round(span, plan.spread);
    }
    assert!(component.answered("component") > 0.0 && component.answered("native") == 0.0, "it is not what it claims");
    assert!(native.answered("native") > 0.0 && native.answered("component") == 0.0, "it is not what it claims");
    component.tell();
    native.tell();
    let mut ratios: Vec<f64> =
        component.rates.iter().zip(&native.rates).map(|(with, without)| with / without).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "policy: ratio component/native {:.3} (median of {PAIRS} pairs of rounds {:.3}, from {:.3} to {:.3}); the goal is 0.95",
        rate(component.count, component.took) / rate(native.count, native.took),
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
    );
}
