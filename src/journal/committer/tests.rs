//! Group commit against a sink that does what the test says, step by step.

use super::*;
use crate::types::{Chain, MessageId, UserKey};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

/// What the test's sink shall do with the next call.
type Order = Result<(), JournalError>;

/// The append that the puppet refuses.
const CONFLICTS: u64 = u64::MAX;

/// What the puppet says it saw before the bound of a discard.
const DISCARDED: u64 = u64::MAX - 1;

/// Waits for an order before each commit and each probe, and tells what it was given.
struct Puppet {
    orders: mpsc::Receiver<Order>,
    seen: mpsc::Sender<Vec<u64>>,
    free: Arc<AtomicU64>,
}

impl Sink for Puppet {
    fn commit(&mut self, batch: &[Waiting], verdicts: &mut [Order]) -> Result<Written, JournalError> {
        assert_eq!(batch.len(), verdicts.len());
        self.seen.send(batch.iter().map(|waiting| waiting.append.seq).collect()).unwrap();
        self.orders.recv().unwrap()?;
        for (waiting, verdict) in batch.iter().zip(verdicts) {
            if waiting.append.seq == CONFLICTS {
                *verdict = Err(JournalError::Conflict { user: waiting.append.user, expected: CONFLICTS - 1, found: 0 });
            }
        }
        Ok(Written::default())
    }

    fn discard(&mut self, discard: &Discard) -> Result<bool, JournalError> {
        self.seen.send(vec![DISCARDED, discard.bound.into()]).unwrap();
        self.orders.recv().unwrap().map(|()| true)
    }

    fn probe(&mut self) -> Order {
        self.seen.send(Vec::new()).unwrap();
        self.orders.recv().unwrap()
    }

    fn disk_free(&mut self) -> Option<u64> {
        Some(self.free.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
struct Tally {
    committed: AtomicUsize,
    conflicts: AtomicUsize,
    failed: AtomicUsize,
    busy: AtomicUsize,
    disk: AtomicUsize,
    orphans: AtomicUsize,
}

impl Counters for Tally {
    fn committed(&self, _: Duration) {
        self.committed.fetch_add(1, Ordering::SeqCst);
    }
    fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::SeqCst);
    }
    fn orphan(&self) {
        self.orphans.fetch_add(1, Ordering::SeqCst);
    }
    fn write_failed(&self) {
        self.failed.fetch_add(1, Ordering::SeqCst);
    }
    fn limit_hit(&self, limit: Limit) {
        let counter = if limit == Limit::DiskFree { &self.disk } else { &self.busy };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

struct Stage {
    committer: Committer,
    orders: mpsc::Sender<Order>,
    seen: mpsc::Receiver<Vec<u64>>,
    free: Arc<AtomicU64>,
    tally: Arc<Tally>,
}

fn stage(limits: Limits) -> Stage {
    let (orders, take_orders) = mpsc::channel();
    let (tell_seen, seen) = mpsc::channel();
    let free = Arc::new(AtomicU64::new(1000));
    let tally = Arc::new(Tally::default());
    let puppet = Puppet { orders: take_orders, seen: tell_seen, free: Arc::clone(&free) };
    let counters: Arc<dyn Counters> = Arc::<Tally>::clone(&tally);
    Stage { committer: Committer::start(puppet, limits, counters).unwrap(), orders, seen, free, tally }
}

const LIMITS: Limits = Limits {
    waiting_max: 4,
    octets_max: 1 << 20,
    batch_max: 3,
    disk_free_min: 100,
    check_every: Duration::from_millis(1),
};

fn append(seq: u64) -> Append {
    Append {
        user: UserKey([1; 16]),
        seq,
        chain: Chain::GENESIS,
        record: Bytes::from_static(b"record"),
        bodies: Vec::new(),
        ended: Vec::new(),
        freed: 0,
        due: None,
    }
}

fn with_body(seq: u64, octets: usize) -> Append {
    Append { bodies: vec![(MessageId([2; 16]), Body::Whole(Bytes::from(vec![0; octets])))], ..append(seq) }
}

fn sick() -> JournalError {
    JournalError::Store { cause: "input/output error".to_owned() }
}

#[test]
fn what_waits_while_the_disk_writes_shares_the_next_batch_up_to_its_limit() {
    let stage = stage(LIMITS);
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let rest: Vec<_> = (2..=5).map(|seq| stage.committer.append(append(seq)).unwrap()).collect();
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(first.blocking_recv().unwrap(), Ok(()));
    assert_eq!(stage.seen.recv().unwrap(), [2, 3, 4]);
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [5]);
    stage.orders.send(Ok(())).unwrap();
    for commit in rest {
        assert_eq!(commit.blocking_recv().unwrap(), Ok(()));
    }
    stage.committer.close();
    assert_eq!(stage.tally.committed.load(Ordering::SeqCst), 5);
}

#[test]
fn beyond_the_limit_of_waiting_appends_it_is_busy_and_counts_it() {
    let stage = stage(LIMITS);
    let mut commits = vec![stage.committer.append(append(1)).unwrap()];
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    commits.extend((2..=5).map(|seq| stage.committer.append(append(seq)).unwrap()));
    assert_eq!(stage.committer.append(append(6)).map(|_| ()), Err(JournalError::Busy { waiting: 4 }));
    assert_eq!(stage.tally.busy.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        stage.orders.send(Ok(())).unwrap();
    }
    for commit in commits {
        assert_eq!(commit.blocking_recv().unwrap(), Ok(()));
    }
    let again = stage.committer.append(append(6)).unwrap();
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(again.blocking_recv().unwrap(), Ok(()));
}

#[test]
fn beyond_the_limit_of_waiting_octets_it_is_busy_but_one_append_always_goes() {
    let stage = stage(Limits { octets_max: 10_000, ..LIMITS });
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let large = stage.committer.append(with_body(2, 50_000)).unwrap();
    assert_eq!(stage.committer.append(append(3)).map(|_| ()), Err(JournalError::Busy { waiting: 1 }));
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(first.blocking_recv().unwrap(), Ok(()));
    assert_eq!(stage.seen.recv().unwrap(), [2]);
    let third = stage.committer.append(append(3)).unwrap();
    stage.orders.send(Ok(())).unwrap();
    stage.orders.send(Ok(())).unwrap();
    assert_eq!((large.blocking_recv().unwrap(), third.blocking_recv().unwrap()), (Ok(()), Ok(())));
}

#[test]
fn a_conflict_is_told_to_its_append_alone() {
    let stage = stage(LIMITS);
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let [one, conflict, other] = [12, CONFLICTS, 14].map(|seq| stage.committer.append(append(seq)).unwrap());
    stage.orders.send(Ok(())).unwrap();
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(first.blocking_recv().unwrap(), Ok(()));
    assert_eq!(one.blocking_recv().unwrap(), Ok(()));
    assert!(matches!(conflict.blocking_recv().unwrap(), Err(JournalError::Conflict { .. })));
    assert_eq!(other.blocking_recv().unwrap(), Ok(()));
    assert_eq!(stage.tally.conflicts.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_write_fails_its_batch_and_everything_after_it_until_a_probe_succeeds() {
    let stage = stage(LIMITS);
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let behind = stage.committer.append(append(2)).unwrap();
    stage.orders.send(Err(sick())).unwrap();
    assert_eq!(first.blocking_recv().unwrap(), Err(sick()));
    // A first probe, which fails.
    assert_eq!(stage.seen.recv().unwrap(), [0; 0]);
    assert_eq!(stage.committer.healthy(), Err(sick()));
    assert_eq!(stage.committer.append(append(3)).map(|_| ()), Err(sick()));
    stage.orders.send(Err(sick())).unwrap();
    assert_eq!(behind.blocking_recv().unwrap(), Err(sick()), "accepted before the failure was known");
    // The next one succeeds, though nobody has appended meanwhile: readiness comes back by itself.
    assert_eq!(stage.seen.recv().unwrap(), [0; 0]);
    stage.orders.send(Ok(())).unwrap();
    while stage.committer.healthy().is_err() {
        std::thread::yield_now();
    }
    let healed = stage.committer.append(append(3)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [3]);
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(healed.blocking_recv().unwrap(), Ok(()));
    assert_eq!(stage.tally.failed.load(Ordering::SeqCst), 1);
}

#[test]
fn with_little_disk_left_new_bodies_are_refused_while_ends_of_messages_go_on() {
    let stage = stage(LIMITS);
    stage.free.store(99, Ordering::SeqCst);
    // The disk is looked at when a batch comes, at most every `check_every`.
    let mut seq = 1;
    let refused = loop {
        match stage.committer.append(with_body(seq, 10)) {
            Ok(commit) => {
                stage.orders.send(Ok(())).unwrap();
                assert_eq!(commit.blocking_recv().unwrap(), Ok(()));
                seq += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(refused, JournalError::DiskFull { free: 99 });
    let without = stage.committer.append(append(seq)).unwrap();
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(without.blocking_recv().unwrap(), Ok(()));
    assert_eq!(stage.tally.disk.load(Ordering::SeqCst), 1);
    // Space comes back, and is seen though only refused appends are tried.
    stage.free.store(100, Ordering::SeqCst);
    let accepted = loop {
        match stage.committer.append(with_body(seq + 1, 10)) {
            Ok(commit) => break commit,
            Err(_) => std::thread::yield_now(),
        }
    };
    stage.orders.send(Ok(())).unwrap();
    assert_eq!(accepted.blocking_recv().unwrap(), Ok(()));
}

#[test]
fn a_disk_that_is_full_at_the_start_is_known_before_the_first_append() {
    let stage = stage(Limits { disk_free_min: 5000, ..LIMITS });
    assert_eq!(stage.committer.append(with_body(1, 1)).map(|_| ()), Err(JournalError::DiskFull { free: 1000 }));
}

#[test]
fn closing_commits_what_waits_and_refuses_more() {
    let stage = stage(LIMITS);
    let commits: Vec<_> = (1..=3).map(|seq| stage.committer.append(append(seq)).unwrap()).collect();
    for _ in 0..3 {
        stage.orders.send(Ok(())).unwrap();
    }
    stage.committer.close();
    for mut commit in commits {
        assert_eq!(commit.try_recv().unwrap(), Ok(()));
    }
    assert_eq!(stage.committer.append(append(4)).map(|_| ()), Err(JournalError::Closed));
    stage.committer.close();
}

#[test]
fn a_committer_that_dies_leaves_nobody_waiting() {
    let stage = stage(LIMITS);
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let second = stage.committer.append(append(2)).unwrap();
    // The puppet panics when its orders end.
    drop(stage.orders);
    assert!(first.blocking_recv().is_err());
    assert!(second.blocking_recv().is_err());
    while stage.committer.healthy().is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(stage.committer.append(append(3)).map(|_| ()), Err(JournalError::Closed));
    stage.committer.close();
}

#[test]
fn a_discard_comes_after_the_appends_before_it_and_is_counted() {
    let stage = stage(LIMITS);
    let first = stage.committer.append(append(1)).unwrap();
    assert_eq!(stage.seen.recv().unwrap(), [1]);
    let rest: Vec<_> = (2..=5).map(|seq| stage.committer.append(append(seq)).unwrap()).collect();
    stage.committer.discards().push(Discard { message: MessageId([1; 16]), bound: 7 });
    for expected in [&[2, 3, 4][..], &[5], &[DISCARDED, 7]] {
        stage.orders.send(Ok(())).unwrap();
        assert_eq!(stage.seen.recv().unwrap(), expected);
    }
    stage.orders.send(Ok(())).unwrap();
    for commit in rest.into_iter().chain([first]) {
        assert_eq!(commit.blocking_recv().unwrap(), Ok(()));
    }
    // Without any append it wakes the committer, and a failure is nobody's but the next start's.
    stage.committer.discards().push(Discard { message: MessageId([1; 16]), bound: 8 });
    assert_eq!(stage.seen.recv().unwrap(), [DISCARDED, 8]);
    stage.orders.send(Err(sick())).unwrap();
    stage.committer.close();
    assert_eq!((stage.tally.orphans.load(Ordering::SeqCst), stage.committer.healthy()), (1, Err(JournalError::Closed)));
    stage.committer.discards().push(Discard { message: MessageId([1; 16]), bound: 9 });
    assert!(stage.seen.recv().is_err(), "after closing nothing is done");
}
