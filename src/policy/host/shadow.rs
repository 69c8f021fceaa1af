//! A policy in the shadow of another: it is asked the same questions on a thread of its own, after the answer is out,
//! and nothing comes of its verdicts but numbers, samples and lines in the log.

use super::Clock;
use super::guest::Guest;
use super::slot::Realm;
use super::words::{masked, verdict_in_words};
use crate::config;
use crate::policy::engine::Meter;
use crate::policy::{Compared, Counters, Limit, ShadowCounters, failure_name};
use crate::queue::question::{Failure, Hook, Question, Verdict};
use crate::queue::recall::effective;
use crate::types::{MessageId, Timestamp};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The thread gives way to those that serve.
const NICENESS: i32 = 10;

/// How a policy in the shadow does, since it was bound beside the one that decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Questions that it was asked: the sum of the next three.
    pub asked: u64,
    /// It gave the same verdict.
    pub same: u64,
    /// It gave another one.
    pub different: u64,
    /// It gave none.
    pub failed: u64,
    /// Questions that it was not asked: too many waited, it had used up its time, or there was no instance for it.
    pub dropped: u64,
    /// The latest of what was different or failed, the latest last; at most `policy.shadow-samples-max`.
    pub samples: Vec<Sample>,
}

/// One question to which the two did not answer the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The moment of the question.
    pub at: Timestamp,
    pub message: MessageId,
    /// What was done. A reason in it is masked and cut like a line for the log, here and below.
    pub active: Verdict,
    pub shadow: Result<Verdict, Failure>,
}

/// One policy in the shadow, with its numbers.
pub(super) struct Shadow {
    realm: Arc<Realm>,
    hook: Hook,
    guest: Arc<dyn Guest>,
    counters: Box<dyn ShadowCounters>,
    same: AtomicU64,
    different: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    samples_max: usize,
    samples: Mutex<VecDeque<Sample>>,
    meter: Meter,
}

impl Shadow {
    pub(super) fn new(
        realm: Arc<Realm>,
        hook: Hook,
        guest: Arc<dyn Guest>,
        limits: &config::Policy,
        counters: &dyn Counters,
        now: Instant,
    ) -> Self {
        let counters = counters.shadow(&realm.name, hook, guest.digest());
        Self {
            realm,
            hook,
            guest,
            counters,
            same: AtomicU64::new(0),
            different: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            samples_max: limits.shadow_samples_max,
            samples: Mutex::default(),
            meter: Meter::new(now),
        }
    }

    pub(super) fn is(&self, guest: &Arc<dyn Guest>) -> bool {
        Arc::ptr_eq(&self.guest, guest)
    }

    pub(super) fn count(&self) -> ShadowCount {
        let (same, different) = (self.same.load(Ordering::Relaxed), self.different.load(Ordering::Relaxed));
        let (failed, dropped) = (self.failed.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed));
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let asked = same.saturating_add(different).saturating_add(failed);
        ShadowCount { asked, same, different, failed, dropped, samples }
    }

    fn counted(&self, result: Compared) {
        let number = match result {
            Compared::Same => &self.same,
            Compared::Different => &self.different,
            Compared::Failed => &self.failed,
            Compared::Dropped => &self.dropped,
        };
        number.fetch_add(1, Ordering::Relaxed);
        self.counters.compared(result);
    }

    /// Asks it and compares.
    fn compare(&self, job: &Job, desk: &Inside) -> Compared {
        let start = (desk.clock)();
        let answer = self.guest.judge(&job.question);
        let end = (desk.clock)();
        self.realm.shadow.spend(start.saturating_duration_since(desk.epoch), end.saturating_duration_since(start));
        match &answer {
            // As the past is compared: of two that come to the same, the same.
            Ok(verdict) if effective(&job.question, verdict) == effective(&job.question, &job.live) => Compared::Same,
            Err(Failure::Unavailable) => Compared::Dropped,
            other => {
                self.keep(&job.question, &job.live, other);
                self.tell(&job.question, &job.live, other, end, desk.counters.as_ref());
                if other.is_ok() { Compared::Different } else { Compared::Failed }
            }
        }
    }

    /// A line in the log, at the same limited rate as a policy's own lines.
    fn tell(
        &self,
        question: &Question,
        live: &Verdict,
        shadow: &Result<Verdict, Failure>,
        now: Instant,
        counters: &dyn Counters,
    ) {
        if !self.meter.admit(now) {
            return counters.lines_dropped(1);
        }
        let words = |verdict: &Verdict| verdict_in_words(&masked(verdict, question));
        let shadow = shadow.as_ref().map_or_else(|failure| failure_name(*failure).to_owned(), words);
        tracing::info!(
            target: "policy", realm = self.realm.name, decision = self.hook.name(), digest = %self.guest.digest(),
            message = %question.message().id, active = words(live), shadow,
            "the policy in the shadow would have decided otherwise"
        );
    }

    fn keep(&self, question: &Question, live: &Verdict, shadow: &Result<Verdict, Failure>) {
        let sample = Sample {
            at: question.context().now,
            message: question.message().id,
            active: masked(live, question),
            shadow: shadow.as_ref().map(|verdict| masked(verdict, question)).map_err(|failure| *failure),
        };
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        while samples.len() >= self.samples_max.max(1) {
            samples.pop_front();
        }
        if self.samples_max > 0 {
            samples.push_back(sample);
        }
    }
}

/// A question that was answered, on its way to the shadow.
struct Job {
    shadow: Arc<Shadow>,
    question: Question,
    live: Verdict,
}

/// Hands questions to the thread that asks policies in the shadow. The thread starts with the first of them.
pub(super) struct Desk {
    inside: Arc<Inside>,
    backlog_max: usize,
    /// `None` inside: there was no thread to be had, and every question is dropped.
    sender: OnceLock<Option<Sender<Box<Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread shares with those who hand in.
struct Inside {
    counters: Arc<dyn Counters>,
    clock: Clock,
    epoch: Instant,
    /// Questions handed in and not yet taken up.
    waiting: AtomicUsize,
    stop: AtomicBool,
}

impl Desk {
    pub(super) fn new(backlog_max: usize, counters: Arc<dyn Counters>, clock: Clock, epoch: Instant) -> Self {
        let (waiting, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let inside = Arc::new(Inside { counters, clock, epoch, waiting, stop });
        Self { inside, backlog_max, sender: OnceLock::new(), thread: Mutex::new(None) }
    }

    /// Hands in a question and the verdict that it got, if there is room and the realm's shadows have time left; never
    /// waits.
    pub(super) fn offer(&self, shadow: &Arc<Shadow>, question: &Question, live: &Verdict, since: Duration) {
        if !(shadow.realm.shadow.has_some(since) && self.hand_in(shadow, question, live)) {
            shadow.counted(Compared::Dropped);
        }
    }

    fn hand_in(&self, shadow: &Arc<Shadow>, question: &Question, live: &Verdict) -> bool {
        let Some(sender) = self.sender.get_or_init(|| self.start()) else { return false };
        let more = |waiting: usize| (waiting < self.backlog_max).then_some(waiting + 1);
        if self.inside.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.inside.counters.limit_hit(Limit::ShadowBacklog);
            return false;
        }
        sender
            .send(Box::new(Job { shadow: Arc::clone(shadow), question: question.clone(), live: live.clone() }))
            .is_ok()
    }

    fn start(&self) -> Option<Sender<Box<Job>>> {
        let (sender, receiver) = mpsc::channel();
        let inside = Arc::clone(&self.inside);
        match thread::Builder::new().name("policy-shadow".to_owned()).spawn(move || inside.run(&receiver)) {
            Ok(thread) => {
                *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                Some(sender)
            }
            Err(error) => {
                tracing::error!(target: "policy", %error, "policies in the shadow are not asked: no thread can be started for them; raise the limit of threads (ulimit -u) and restart");
                None
            }
        }
    }
}

impl Inside {
    fn run(&self, jobs: &Receiver<Box<Job>>) {
        // Without the lower priority it works as well, only less politely.
        let _ = rustix::process::nice(NICENESS);
        while let Ok(job) = jobs.recv() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            // What came in while there was time may be too much for it.
            let since = (self.clock)().saturating_duration_since(self.epoch);
            let result = if job.shadow.realm.shadow.has_some(since) {
                job.shadow.compare(&job, self)
            } else {
                Compared::Dropped
            };
            job.shadow.counted(result);
        }
    }
}

impl Drop for Desk {
    /// Waits for the one question that is being asked; what waits is forgotten.
    fn drop(&mut self) {
        self.inside.stop.store(true, Ordering::Relaxed);
        drop(self.sender.take());
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that panicked has nothing more to say.
        let _ = thread.map(JoinHandle::join);
    }
}
