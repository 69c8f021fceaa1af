//! One served user, awake: a mailbox, the state, and an alarm clock.

use super::errands::Desk;
use super::load::{LoadError, LoadedQueue, load, load_in_memory};
use super::registry::Registry;
use super::shared::{Job, Shared};
use super::{counting, effects};
use crate::formats::Profile;
use crate::journal::{Append, Body, Head, JournalError, Snapshot};
use crate::metrics::Limit;
use crate::pf::RealmSettings;
use crate::queue::command::Command;
use crate::queue::decide::Env;
use crate::queue::event::Event;
use crate::queue::run::{Run, run};
use crate::queue::schema::{Record, encode_state};
use crate::queue::{Errand, Queue};
use crate::types::{Address, MessageId, Timestamp, UserKey};
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A user whose log cannot be read or written is loaded again after so long.
const BROKEN_PAUSE: Duration = Duration::from_secs(1);
/// Somebody who is due so soon is not put to sleep.
const SLEEP_MARGIN: Duration = Duration::from_secs(1);
/// A snapshot is not worth writing for fewer records.
const SNAPSHOT_MIN: u64 = 8;

/// A job for a user, by message.
pub(super) struct Submit(pub Box<Job>);

impl Message for Submit {
    type Result = ();
}

/// The actor of one user.
pub(super) struct UserActor {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    key: UserKey,
    /// Who it is, for a user without a log yet.
    address: Option<Address>,
    /// Jobs sent and not begun: counted where they are sent, so that nobody sleeps with a job in the mailbox.
    pending: Arc<AtomicUsize>,
    awake: Option<Awake>,
    alarm: Option<(Timestamp, SpawnHandle)>,
    last_active: Timestamp,
    /// Whether the state was in memory before: then what is in flight is still watched, and is not orphaned.
    was_awake: bool,
    /// Something is awaited, and until it is there nothing is decided.
    waits: bool,
    /// Endings of deliveries and errands that could not be stored yet; no more than there are under way.
    unstored: VecDeque<Command>,
}

/// The state in memory and where its log stands.
struct Awake {
    queue: Queue,
    head: Head,
    realm: Arc<RealmSettings>,
    snapshot_seq: u64,
    /// Since when, without a pause, something has been in flight.
    flying_since: Option<Timestamp>,
    /// The moment of the last decision …
    settled_at: Timestamp,
    /// … which left something for the next.
    unfinished: bool,
}

impl Actor for UserActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.shared.actors.mailbox_max);
        self.last_active = self.shared.now();
        self.load(ctx);
    }
}

impl Handler<Submit> for UserActor {
    type Result = ();

    fn handle(&mut self, Submit(job): Submit, ctx: &mut Self::Context) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
        self.last_active = self.shared.now();
        self.execute(*job, ctx);
    }
}

impl UserActor {
    pub(super) fn new(
        shared: Arc<Shared>,
        registry: Arc<Registry>,
        key: UserKey,
        address: Option<Address>,
        pending: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            shared,
            registry,
            key,
            address,
            pending,
            awake: None,
            alarm: None,
            last_active: Timestamp::default(),
            was_awake: false,
            waits: false,
            unstored: VecDeque::new(),
        }
    }

    /// Reads the state: at once if it is in memory, else under a permit and off this thread, and nothing else is done
    /// meanwhile.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let began = Instant::now();
        if let Some(loaded) = load_in_memory(&*self.shared.journal, &self.key) {
            self.shared.metrics.wake(began.elapsed());
            return self.loaded(loaded, ctx);
        }
        if self.shared.permits.available_permits() == 0 {
            self.shared.metrics.limit_hit(Limit::WakePermits);
        }
        let (permits, journal, key) = (Arc::clone(&self.shared.permits), Arc::clone(&self.shared.journal), self.key);
        let loading = async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await.ok();
            tokio::task::spawn_blocking(move || load(&*journal, &key)).await
        };
        self.wait(loading, ctx, move |loaded, actor, ctx| {
            actor.shared.metrics.wake(began.elapsed());
            match loaded {
                Ok(loaded) => actor.loaded(loaded, ctx),
                Err(_) => actor.broken(ctx),
            }
        });
    }

    /// Nothing is decided before this is there. The mailbox waits by itself; endings and the alarm are told by `waits`,
    /// because actix polls what was spawned once more in the round in which a message began to wait.
    fn wait<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        ctx: &mut Context<Self>,
        then: impl FnOnce(T, &mut Self, &mut Context<Self>) + 'static,
    ) {
        self.waits = true;
        ctx.wait(future.into_actor(self).map(move |value, actor, ctx| {
            actor.waits = false;
            then(value, actor, ctx);
            actor.catch_up(ctx);
        }));
    }

    /// Decides the endings that had to wait, each after the record before it.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        while !self.waits && self.awake.is_some() {
            let Some(ended) = self.unstored.pop_front() else { return };
            self.execute(Job::of(ended), ctx);
        }
    }

    fn loaded(&mut self, loaded: Result<LoadedQueue, LoadError>, ctx: &mut Context<Self>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(user = %self.key, %error, "a user cannot be woken; requests for them get 503");
                return self.broken(ctx);
            }
        };
        let Some(queue) = loaded.queue.or_else(|| self.address.clone().map(Queue::new)) else {
            return self.set_alarm(false, ctx);
        };
        let Some(realm) = self.shared.realm(queue.user().host()) else { return self.broken(ctx) };
        self.awake = Some(Awake {
            queue,
            head: loaded.head,
            realm,
            snapshot_seq: loaded.snapshot_seq,
            flying_since: None,
            settled_at: Timestamp::default(),
            unfinished: false,
        });
        if let Some(awake) = self.awake.as_ref().filter(|_| !self.was_awake) {
            self.shared.follow(&awake.queue, &awake.realm);
        }
        let first = if self.was_awake { Command::Tick } else { Command::Wake };
        self.was_awake = true;
        self.execute(Job::of(first), ctx);
        self.catch_up(ctx);
    }

    /// Without its state a user can only say "later"; it is read again after a pause.
    fn broken(&mut self, ctx: &mut Context<Self>) {
        self.awake = None;
        ctx.run_later(BROKEN_PAUSE, |actor, ctx| {
            if actor.awake.is_none() && !actor.waits {
                actor.load(ctx);
            }
        });
    }

    pub(super) fn ended(&mut self, ended: Command, ctx: &mut Context<Self>) {
        self.last_active = self.shared.now();
        if self.awake.is_none() || self.waits {
            return self.unstored.push_back(ended);
        }
        self.execute(Job::of(ended), ctx);
    }

    /// With the user's preferences: at once if they are known, else when they have been read, and nothing else is done
    /// meanwhile.
    fn execute(&mut self, job: Job, ctx: &mut Context<Self>) {
        let Some(awake) = self.awake.as_ref() else { return self.shared.turn_away(job.answer) };
        let (now, user, preferences) = (self.shared.now(), awake.queue.user(), &self.shared.outside.preferences);
        if let Some(profile) = preferences.cached(user, now) {
            return self.execute_by(&profile, job, ctx);
        }
        let reading = preferences.read(user, now);
        self.wait(reading, ctx, move |profile, actor, ctx| actor.execute_by(&profile, job, ctx));
    }

    /// Ask, decide, evolve, append; effects follow when the record is durable.
    fn execute_by(&mut self, profile: &Profile, job: Job, ctx: &mut Context<Self>) {
        let now = self.shared.now();
        let (Some(awake), Some(ids)) = (self.awake.as_mut(), self.shared.ids()) else {
            return self.shared.turn_away(job.answer);
        };
        let before = awake.queue.bytes();
        let judges = Arc::clone(&self.shared.judges);
        let env = Env { now, ids: &ids, rules: &awake.realm.rules, profile };
        let done = run(&mut awake.queue, &job.command, &env, |question| judges.ask(question));
        (awake.settled_at, awake.unfinished) = (now, done.unfinished);
        if done.unfinished {
            self.shared.metrics.limit_hit(Limit::QueueQuestions);
        }
        if done.decision.events.is_empty() {
            return self.finish(&done, job, now, ctx);
        }
        let append = awake.append(self.key, &done, &job, before, now);
        let head = Head { seq: append.seq, chain: append.chain };
        match self.shared.journal.append(append) {
            Ok(commit) => {
                self.wait(commit, ctx, move |committed, actor, ctx| {
                    match committed.unwrap_or(Err(JournalError::Closed)) {
                        Ok(()) => actor.committed(head, &done, job, now, ctx),
                        Err(error) => actor.not_committed(&error, job, ctx),
                    }
                });
            }
            Err(error) => self.not_committed(&error, job, ctx),
        }
    }

    fn committed(&mut self, head: Head, done: &Run, job: Job, now: Timestamp, ctx: &mut Context<Self>) {
        for event in &done.decision.events {
            counting::count(&self.shared.metrics, event);
        }
        if let Some(awake) = self.awake.as_mut() {
            awake.head = head;
        }
        self.finish(done, job, now, ctx);
        self.keep_snapshot();
    }

    /// The state is ahead of the log, so it goes; the sender is told to come again, and an ending is kept.
    fn not_committed(&mut self, error: &JournalError, job: Job, ctx: &mut Context<Self>) {
        tracing::warn!(user = %self.key, %error, "a command could not be stored and was not done");
        self.awake = None;
        self.shared.turn_away(job.answer);
        if let ended @ (Command::DeliveryEnded(_) | Command::ErrandEnded(_)) = job.command {
            self.unstored.push_back(ended);
        }
        match error {
            JournalError::Closed => {}
            JournalError::Conflict { .. } => self.load(ctx),
            JournalError::DiskFull { .. } | JournalError::Busy { .. } if self.unstored.is_empty() => self.load(ctx),
            // It may take appends again in a while; asking at once would only add to its trouble.
            _ => self.broken(ctx),
        }
    }

    fn finish(&mut self, done: &Run, job: Job, now: Timestamp, ctx: &mut Context<Self>) {
        counting::count_unstored(&self.shared.metrics, &job.command, &done.decision);
        if let Some(awake) = self.awake.as_ref() {
            let (shared, registry) = (&self.shared, &self.registry);
            let desk = Desk { shared, registry, realm: &awake.realm, queue: &awake.queue, now };
            let endings = effects::perform(&desk, &done.decision.effects, job.answer);
            self.watch(endings, ctx);
        }
        self.set_alarm(done.unfinished, ctx);
    }

    /// Rings when something is due, or when it is time to sleep; never later than that, sometimes earlier.
    fn set_alarm(&mut self, at_once: bool, ctx: &mut Context<Self>) {
        let now = self.shared.now();
        // Who could not be put to sleep is looked at again in a while.
        let idle =
            self.last_active.after(Duration::from_secs(self.shared.actors.idle_secs)).max(now.after(SLEEP_MARGIN));
        let tick = self.awake.as_ref().and_then(|awake| awake.queue.next_tick(now));
        let at = if at_once { now } else { tick.map_or(idle, |tick| tick.min(idle)) };
        match self.alarm.take() {
            Some((set, handle)) if set <= at && set > now => self.alarm = Some((set, handle)),
            other => {
                if let Some((_, handle)) = other {
                    ctx.cancel_future(handle);
                }
                self.alarm = Some((at, ctx.run_later(at.since(now), Self::alarm)));
            }
        }
    }

    fn alarm(&mut self, ctx: &mut Context<Self>) {
        self.alarm = None;
        // It is set again when what is awaited is there.
        if self.waits {
            return;
        }
        let now = self.shared.now();
        if self.awake.as_ref().is_some_and(|awake| awake.has_work(now)) {
            self.execute(Job::of(Command::Tick), ctx);
        } else if !self.sleep_if_idle(now, ctx) {
            self.set_alarm(false, ctx);
        }
    }

    /// Sleeps if nothing is in flight, nothing is due soon, and nobody has sent anything.
    fn sleep_if_idle(&mut self, now: Timestamp, ctx: &mut Context<Self>) -> bool {
        let idle = now.since(self.last_active) >= Duration::from_secs(self.shared.actors.idle_secs);
        let quiet = self.unstored.is_empty() && self.awake.as_ref().is_none_or(|awake| awake.is_quiet(now));
        let asleep = idle && quiet && self.registry.retire(&self.key, &self.pending);
        if asleep {
            self.write_snapshot(SNAPSHOT_MIN);
            ctx.stop();
        }
        asleep
    }

    fn keep_snapshot(&mut self) {
        self.write_snapshot(self.shared.snapshot_every.max(SNAPSHOT_MIN));
    }

    /// Snapshots are caches: written off this thread, and nobody waits for them.
    fn write_snapshot(&mut self, after: u64) {
        let Some(awake) = self.awake.as_mut().filter(|awake| awake.head.seq >= awake.snapshot_seq + after) else {
            return;
        };
        awake.snapshot_seq = awake.head.seq;
        let snapshot =
            Snapshot { seq: awake.head.seq, chain: awake.head.chain, state: Bytes::from(encode_state(&awake.queue)) };
        let (journal, key) = (Arc::clone(&self.shared.journal), self.key);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = journal.put_snapshot(&key, &snapshot) {
                tracing::warn!(user = %key, %error, "a snapshot could not be kept; waking will take longer");
            }
        });
    }
}

impl Awake {
    /// Whether something has become due since the queue was settled.
    fn has_work(&self, now: Timestamp) -> bool {
        self.unfinished || self.queue.next_tick(self.settled_at).is_some_and(|tick| tick <= now)
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        let soon = self.queue.next_tick(now).is_some_and(|tick| tick <= now.after(SLEEP_MARGIN));
        let is_busy = self.queue.in_flight().len() > 0 || self.queue.errands().any(Errand::is_open);
        !is_busy && !soon
    }

    /// The entry in the due index. While something is in flight it stays where the first delivery put it: any moment that
    /// has passed makes a restart find this user at once, and the index is spared two changes for each delivery.
    fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.queue.due(now);
        let flying = self.queue.in_flight().len() > 0;
        self.flying_since = if flying { self.flying_since.or(due) } else { None };
        self.flying_since.or(due)
    }

    /// The record of a command, chained, with everything that must become durable with it.
    fn append(&mut self, user: UserKey, done: &Run, job: &Job, before: u64, now: Timestamp) -> Append {
        let events = done.decision.events.clone();
        let seq = self.head.seq + 1;
        let bodies = bodies(&events, job.body.as_ref());
        let came = bodies.iter().map(|(_, body)| body.length()).sum();
        let record = Record { user: self.queue.user().clone(), seq, at: now, events }.encode();
        Append {
            user,
            seq,
            chain: self.head.chain.extend(&record),
            record: Bytes::from(record),
            bodies,
            ended: done.decision.events.iter().filter(|event| event.is_end()).filter_map(Event::message).collect(),
            freed: freed(before, came, self.queue.bytes()),
            due: if done.unfinished { Some(now) } else { self.due(now) },
        }
    }
}

/// Octets that left the queue: what was there, and what came, less what is there now.
fn freed(before: u64, came: u64, after: u64) -> u64 {
    before.saturating_add(came).saturating_sub(after)
}

/// The body of the message that this command brought: it came along, or in pieces before.
fn bodies(events: &[Event], body: Option<&Bytes>) -> Vec<(MessageId, Body)> {
    let deferred = events.iter().find_map(|event| match event {
        Event::MessageDeferred(event) => Some((event.id, event.envelope.size)),
        _ => None,
    });
    let is_kept = events.iter().any(|event| matches!(event, Event::BodyKept(_)));
    let body = |(id, length)| match body {
        _ if is_kept => Some((id, Body::Kept { length })),
        Some(body) => Some((id, Body::Whole(body.clone()))),
        None => None,
    };
    deferred.and_then(body).into_iter().collect()
}
