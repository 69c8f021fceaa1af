//! The past once more: users replayed from their records, many at a time, with every question that can be had again.

use crate::audit::AuditError;
use crate::config::{Config, Realm};
use crate::journal::{Head, JournalRead};
use crate::queue::Queue;
use crate::queue::decide::Rules;
use crate::queue::question::Hook;
use crate::queue::recall::{Loss, Memory, Recalled, recall};
use crate::queue::schema::{Record, decode_state};
use crate::types::{Address, MessageId, Timestamp, UserKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Users and records read at a time.
const SLICE: usize = 1024;

/// Which questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Asked at this moment or later …
    pub since: Timestamp,
    /// … and before this one.
    pub until: Timestamp,
    /// In lower case; empty: all.
    pub realms: Vec<String>,
    pub decisions: Vec<Hook>,
    /// About this message only.
    pub message: Option<MessageId>,
}

impl Scope {
    /// Everything there ever was.
    #[must_use]
    pub fn all() -> Self {
        let (since, until) = (Timestamp(0), Timestamp::MAX);
        Self { since, until, realms: Vec::new(), decisions: Hook::ALL.to_vec(), message: None }
    }

    fn has(&self, at: Timestamp) -> bool {
        self.since <= at && at < self.until
    }

    fn wants(&self, recalled: &Recalled) -> bool {
        let question = &recalled.question;
        self.decisions.contains(&question.hook()) && self.message.is_none_or(|message| question.message().id == message)
    }
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub users: u64,
    /// Of so many.
    pub of: u64,
}

/// What a walk went through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Users who have a log.
    pub users: u64,
    /// Users who had something decided in the time and realms in question.
    pub replayed: u64,
    /// Records of that time.
    pub records: u64,
    /// Users whose log cannot be read: restante audit verify says more.
    pub unreadable: u64,
    /// Events that do not go with the state before them.
    pub unfit: u64,
    /// Realms of users that the configuration does not have: they were replayed as in a realm that says nothing.
    #[serde(skip)]
    pub unknown_realms: BTreeSet<String>,
}

/// Takes what is recalled; one for each thread, joined in the end.
pub trait Gather: Send {
    fn asked(&mut self, user: UserKey, recalled: Recalled);
    fn lost(&mut self, realm: &str, loss: Loss, hook: Hook);
    fn join(&mut self, other: Self);
}

/// Goes through all users of the scope.
///
/// # Errors
/// [`AuditError::Journal`] if the users cannot be listed.
pub fn walk<G: Gather>(
    journal: &dyn JournalRead,
    config: &Config,
    scope: &Scope,
    threads: usize,
    begin: &(dyn Fn() -> G + Sync),
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(G, Counts), AuditError> {
    let walk = Walk { journal, config, scope };
    let of = walk.count()?;
    let (line, done) = (Mutex::new(Line::default()), AtomicU64::new(0));
    let work = || -> Result<(G, Counts), AuditError> {
        let (mut gathered, mut counts) = (begin(), Counts::default());
        while let Some((user, head)) = walk.next(&line)? {
            counts.users += 1;
            if walk.user(user, head, &mut gathered, &mut counts).is_err() {
                counts.unreadable += 1;
            }
            progress(Progress { users: done.fetch_add(1, Ordering::Relaxed) + 1, of });
        }
        Ok((gathered, counts))
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let own = work();
        // A thread that panicked has done so aloud; what the others found would not be all.
        let rest = others.into_iter().map(|other| other.join().unwrap_or(Err(AuditError::Interrupted)));
        std::iter::once(own).chain(rest).collect()
    });
    let (mut all, mut counts) = (begin(), Counts::default());
    for end in ends {
        let (gathered, part) = end?;
        all.join(gathered);
        counts.add(&part);
    }
    Ok((all, counts))
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.replayed += other.replayed;
        self.records += other.records;
        self.unreadable += other.unreadable;
        self.unfit += other.unfit;
        self.unknown_realms.extend(other.unknown_realms.iter().cloned());
    }
}

/// Users who wait for a thread.
#[derive(Default)]
struct Line {
    waiting: VecDeque<(UserKey, Head)>,
    last: Option<UserKey>,
    over: bool,
}

struct Walk<'a> {
    journal: &'a dyn JournalRead,
    config: &'a Config,
    scope: &'a Scope,
}

impl Walk<'_> {
    fn count(&self) -> Result<u64, AuditError> {
        let (mut count, mut after) = (0, None);
        loop {
            let users = self.journal.users(after.as_ref(), SLICE)?;
            let Some((last, _)) = users.last() else { return Ok(count) };
            after = Some(*last);
            count += users.len() as u64;
        }
    }

    fn next(&self, line: &Mutex<Line>) -> Result<Option<(UserKey, Head)>, AuditError> {
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.waiting.is_empty() && !line.over {
            let users = self.journal.users(line.last.as_ref(), SLICE)?;
            line.over = users.is_empty();
            line.last = users.last().map(|(user, _)| *user);
            line.waiting.extend(users);
        }
        Ok(line.waiting.pop_front())
    }

    /// One user, if anything of them is in the scope.
    fn user<G: Gather>(
        &self,
        user: UserKey,
        head: Head,
        gather: &mut G,
        counts: &mut Counts,
    ) -> Result<(), AuditError> {
        let Some(last) = self.record(user, head.seq)? else { return Ok(()) };
        let realm = last.user.host().to_owned();
        if !realm.is_empty() && !self.config.realms.contains_key(&realm) {
            counts.unknown_realms.insert(realm.clone());
        }
        let is_meant = self.scope.realms.is_empty() || self.scope.realms.contains(&realm);
        if last.at < self.scope.since || !is_meant {
            return Ok(());
        }
        counts.replayed += 1;
        let rules = self.rules(&realm);
        let (mut queue, mut seq) = self.start(user, last.user)?;
        while seq <= head.seq {
            let records = self.journal.records(&user, seq, SLICE)?;
            let Some(stored) = records.last() else { break };
            seq = stored.seq + 1;
            for stored in &records {
                let unreadable = |cause| AuditError::Schema { user, seq: stored.seq, cause };
                let record = Record::decode(&stored.record).map_err(unreadable)?;
                counts.records += u64::from(self.scope.has(record.at));
                self.fold(user, &mut queue, &record, &rules, gather, counts);
            }
        }
        Ok(())
    }

    fn fold<G: Gather>(
        &self,
        user: UserKey,
        queue: &mut Queue,
        record: &Record,
        rules: &Rules,
        gather: &mut G,
        counts: &mut Counts,
    ) {
        for (place, event) in record.events.iter().enumerate() {
            if self.scope.has(record.at) {
                match recall(queue, &record.events, place, record.at, rules) {
                    Memory::Asked(recalled) if self.scope.wants(&recalled) => gather.asked(user, recalled),
                    Memory::Asked(_) | Memory::Unasked => {}
                    Memory::Lost(loss) => match loss.hook() {
                        Some(hook) if self.scope.decisions.contains(&hook) => gather.lost(&rules.realm, loss, hook),
                        Some(_) => {}
                        None => counts.unfit += 1,
                    },
                }
            }
            queue.evolve(event, record.at);
        }
    }

    /// The state before the scope and the record that comes next: from a snapshot of that time, else from the beginning.
    fn start(&self, user: UserKey, address: Address) -> Result<(Queue, u64), AuditError> {
        let new = (Queue::new(address), 1);
        if self.scope.since == Timestamp(0) {
            return Ok(new);
        }
        let Some(snapshot) = self.journal.load(&user)?.snapshot else { return Ok(new) };
        let is_before = self.record(user, snapshot.seq)?.is_some_and(|record| record.at < self.scope.since);
        let state = is_before.then(|| decode_state(&snapshot.state)).flatten();
        Ok(state.map_or(new, |queue| (queue, snapshot.seq + 1)))
    }

    fn record(&self, user: UserKey, seq: u64) -> Result<Option<Record>, AuditError> {
        let records = self.journal.records(&user, seq, 1)?;
        let Some(stored) = records.first() else { return Ok(None) };
        let record = Record::decode(&stored.record);
        record.map(Some).map_err(|cause| AuditError::Schema { user, seq, cause })
    }

    /// Those of the configuration; of a realm that is not in it, the defaults.
    fn rules(&self, realm: &str) -> Rules {
        let default = Realm::default();
        let known = self.config.realms.get(realm).unwrap_or(&default);
        Rules::new(&self.config.queue, &self.config.errands, realm, known)
    }
}
