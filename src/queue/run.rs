//! Runs a command to its end: decide, fold in, settle, fold in … with one record as the result.

use super::command::Command;
use super::decide::{Decision, Env, Step, decide, settle};
use super::question::{Question, Ruling, Verdict};
use super::state::Queue;

/// A decision run to its end, and whether the limit of questions stopped it before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub decision: Decision,
    /// There is more to settle: a [`Command::Tick`] must follow.
    pub unfinished: bool,
}

/// Decides `command` on `queue` and folds the events in. The caller stores the events before it performs the effects; if
/// storing fails, the queue is ahead of its log and must be loaded again.
///
/// `ask` must be deterministic for the result to be; it is the one place where a policy speaks.
pub fn run(queue: &mut Queue, command: &Command, env: &Env, mut ask: impl FnMut(&Question) -> Ruling<Verdict>) -> Run {
    let mut run = Run::default();
    let mut questions = 0;
    let first = answered(&mut questions, &mut ask, |ruling| decide(queue, command, ruling, env));
    run.fold(queue, first, env);
    while questions < env.rules.questions_max {
        let next = answered(&mut questions, &mut ask, |ruling| settle(queue, ruling, env));
        if next.events.is_empty() {
            return run;
        }
        run.fold(queue, next, env);
    }
    run.unfinished = true;
    run
}

/// Takes a step, asking if it must.
fn answered(
    questions: &mut usize,
    ask: &mut impl FnMut(&Question) -> Ruling<Verdict>,
    step: impl Fn(Option<&Ruling<Verdict>>) -> Step,
) -> Decision {
    let question = match step(None) {
        Step::Done(decision) => return decision,
        Step::Ask(question) => question,
    };
    *questions += 1;
    match step(Some(&ask(&question))) {
        Step::Done(decision) => decision,
        // Answered with a verdict on something else: nothing is decided, and nothing is lost.
        Step::Ask(_) => Decision::default(),
    }
}

impl Run {
    fn fold(&mut self, queue: &mut Queue, decision: Decision, env: &Env) {
        for event in &decision.events {
            queue.evolve(event, env.now);
        }
        self.decision.events.extend(decision.events);
        self.decision.effects.extend(decision.effects);
    }
}
