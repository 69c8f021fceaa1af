//! Runs a command to its end: decide, fold in, settle, fold in … with one record as the result.

use super::command::Command;
use super::decide::{Decision, Env, Step, decide, settle};
use super::event::{Event, PreferencesHeeded};
use super::question::{Preferences, Question, Ruling, Verdict};
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
        Step::Done(decision) => heeding(&question, decision),
        // Answered with a verdict on something else: nothing is decided, and nothing is lost.
        Step::Ask(_) => Decision::default(),
    }
}

/// What was asked with preferences tells them before what it led to, so that the question can be asked again later
/// ([`super::recall`]). A refusal tells of no message, so there is nothing to tell them of.
fn heeding(question: &Question, mut decision: Decision) -> Decision {
    let preferences = &question.context().preferences;
    let tells = decision.events.first().is_some_and(|event| event.message().is_some());
    if tells && *preferences != Preferences::default() {
        let (message, decides) = (question.message().id, question.hook());
        let heeded = PreferencesHeeded { message, decision: decides, preferences: preferences.clone() };
        decision.events.insert(0, Event::PreferencesHeeded(heeded));
    }
    decision
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
