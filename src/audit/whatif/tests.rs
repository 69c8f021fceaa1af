//! What-ifs over journals in memory, written by the queue itself.

use super::*;
use crate::audit::AuditError;
use crate::config::Realm;
use crate::formats::Profile;
use crate::journal::{Append, Head, Journal, MemoryJournal, Snapshot};
use crate::queue::command::{Command, Defer};
use crate::queue::decide::{Env, Rules};
use crate::queue::event::{Envelope, KeptHeader, KeptName};
use crate::queue::question::{Admission, Disposal, Handling, Hook, Judge, Mode, Ruling};
use crate::queue::run::run;
use crate::queue::schema::{Record, encode_state};
use crate::queue::{Queue, standard};
use crate::types::{Address, Digest, IdSource, MessageId, OriginKey, SeedSecret, Timestamp, UserKey};
use bytes::Bytes;
use std::sync::Mutex;

const BEGIN: u64 = 1_767_225_600;

pub fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(BEGIN + secs)
}

/// A user whose commands are stored as the server stores them.
pub struct User {
    pub queue: Queue,
    head: Head,
}

impl User {
    pub fn new(address: &str) -> Self {
        Self { queue: Queue::new(Address::parse(address).unwrap()), head: Head::EMPTY }
    }

    pub fn key(&self) -> UserKey {
        self.queue.user().key()
    }

    fn run(&mut self, journal: &MemoryJournal, command: &Command, now: Timestamp, judge: &Candidate) {
        let config = config();
        let realm = self.queue.user().host().to_owned();
        let rules = Rules::new(&config.queue, &config.errands, &realm, &Realm::default());
        let name = format!("{}{}{}", self.queue.user(), self.head.seq, now);
        let mut seed = [0; 16];
        seed.copy_from_slice(&Digest::of(name.as_bytes()).0[..16]);
        let ids = IdSource::new(seed, SeedSecret([1; 16]));
        let profile = Profile::default();
        let env = Env { now, ids: &ids, rules: &rules, profile: &profile };
        let done = run(&mut self.queue, command, &env, |question| Ruling {
            verdict: judge(question).unwrap(),
            judge: Judge::Native,
        });
        let events = done.decision.events;
        let record = Record { user: self.queue.user().clone(), seq: self.head.seq + 1, at: now, events }.encode();
        self.head = Head { seq: self.head.seq + 1, chain: self.head.chain.extend(&record) };
        let (seq, chain, user) = (self.head.seq, self.head.chain, self.key());
        let (bodies, ended, record) = (Vec::new(), Vec::new(), Bytes::from(record));
        drop(journal.append(Append { user, seq, chain, record, bodies, ended, freed: 0, due: None }).unwrap());
    }

    /// A message, at this second, whose expiry the sender wants after so many seconds.
    pub fn gets(&mut self, journal: &MemoryJournal, secs: u64, life: u64, judge: &Candidate) {
        let envelope = Envelope {
            mode: Mode::Pager,
            request_uri: self.queue.user().to_string(),
            headers: vec![KeptHeader { name: KeptName::Subject, value: "secret of Alice".into() }],
            size: 7,
            imdn: None,
            expires_asked_secs: Some(life),
            anonymous: false,
            return_address: Some("sip:alice@home.test".to_owned()),
        };
        let mut origin = [0; 16];
        origin[..8].copy_from_slice(&secs.to_be_bytes());
        let defer = Defer { envelope, origin: OriginKey(origin), received_at: at(secs), kept: None };
        self.run(journal, &Command::Defer(Box::new(defer)), at(secs), judge);
    }

    pub fn ticks(&mut self, journal: &MemoryJournal, secs: u64, judge: &Candidate) {
        self.run(journal, &Command::Tick, at(secs), judge);
    }

    fn snapshot(&self, journal: &MemoryJournal, queue: &Queue) {
        let state = Bytes::from(encode_state(queue));
        let snapshot = Snapshot { seq: self.head.seq, chain: self.head.chain, state };
        journal.put_snapshot(&self.key(), &snapshot).unwrap();
    }
}

pub fn config() -> Config {
    Config::default()
}

#[allow(clippy::unnecessary_wraps, reason = "a candidate may fail")]
pub fn standard(question: &Question) -> Result<Verdict, Failure> {
    Ok(standard::answer(question))
}

/// Ten users in each of two realms: each gets three messages, one of which expires.
pub fn town(judge: &Candidate) -> (MemoryJournal, Vec<User>) {
    let journal = MemoryJournal::new();
    let mut users = Vec::new();
    for number in 0..20 {
        let realm = if number % 2 == 0 { "even.test" } else { "odd.test" };
        let mut user = User::new(&format!("sip:user{number}@{realm}"));
        user.gets(&journal, 0, 1500, judge);
        user.gets(&journal, 1000, 50_000, judge);
        user.ticks(&journal, 2000, judge);
        user.gets(&journal, 3000, 50_000, judge);
        users.push(user);
    }
    (journal, users)
}

const MEANS: Means = Means { threads: 3, examples: 2 };

fn ask(journal: &MemoryJournal, scope: &Scope, candidate: &Candidate) -> WhatIf {
    what_if(journal, &config(), scope, candidate, MEANS, &|_| ()).unwrap()
}

fn sums<'a>(whatif: &'a WhatIf, realm: &str, hook: Hook) -> &'a Sums {
    &whatif.realms.0[realm][hook.name()]
}

/// Discards nothing, and wants to manage what was received in the second half.
#[allow(clippy::unnecessary_wraps, reason = "a candidate may fail")]
fn keeper(question: &Question) -> Result<Verdict, Failure> {
    Ok(match question {
        Question::Expiry { .. } => Verdict::Expiry(Disposal::Store),
        Question::Handling { context, .. } if context.now >= at(1500) => Verdict::Handling(Handling::Manage),
        other => standard::answer(other),
    })
}

#[test]
fn whoever_decided_would_decide_the_same_again() {
    let (journal, _) = town(&standard);
    let whatif = ask(&journal, &Scope::all(), &standard);
    assert_eq!((whatif.different(), whatif.failed()), (0, 0));
    let realms = ["even.test", "odd.test"].map(str::to_owned).into();
    assert_eq!(
        whatif.counts,
        Counts { users: 20, replayed: 20, records: 80, unreadable: 0, unfit: 0, unknown_realms: realms }
    );
    for realm in ["even.test", "odd.test"] {
        assert_eq!(sums(&whatif, realm, Hook::Admission).same, 30);
        assert_eq!(sums(&whatif, realm, Hook::Handling).same, 30);
        assert_eq!(sums(&whatif, realm, Hook::Expiry).same, 10);
    }
}

#[test]
fn what_differs_is_counted_by_realm_decision_and_kind_with_the_latest_examples() {
    let (journal, _) = town(&standard);
    let whatif = ask(&journal, &Scope::all(), &keeper);
    let expiry = sums(&whatif, "odd.test", Hook::Expiry);
    assert_eq!((expiry.asked, expiry.same, expiry.different), (10, 0, 10));
    let change = &expiry.changes["discard → store"];
    assert_eq!((change.count, change.examples.len()), (10, 2));
    assert_eq!(
        (change.examples[0].at.as_str(), change.examples[0].judge.as_str()),
        (at(2000).to_string().as_str(), "native")
    );
    let handling = sums(&whatif, "even.test", Hook::Handling);
    assert_eq!((handling.asked, handling.same, handling.changes["push → manage"].count), (30, 20, 10));
    assert_eq!(whatif.different(), 40);
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let (journal, _) = town(&standard);
    let one = what_if(&journal, &config(), &Scope::all(), &keeper, Means { threads: 1, examples: 2 }, &|_| ()).unwrap();
    assert_eq!(ask(&journal, &Scope::all(), &keeper), one);
}

#[test]
fn only_the_time_the_realms_and_the_decisions_in_question_are_asked() {
    let (journal, users) = town(&standard);
    let since = Scope { since: at(3000), ..Scope::all() };
    let whatif = ask(&journal, &since, &keeper);
    assert_eq!((sums(&whatif, "odd.test", Hook::Handling).asked, whatif.counts.records), (10, 20));
    let until = Scope { until: at(3000), realms: vec!["odd.test".to_owned()], ..Scope::all() };
    let whatif = ask(&journal, &until, &keeper);
    assert_eq!((sums(&whatif, "odd.test", Hook::Handling).asked, whatif.realms.0.len()), (20, 1));
    let decisions = Scope { decisions: vec![Hook::Expiry], ..Scope::all() };
    let whatif = ask(&journal, &decisions, &keeper);
    assert_eq!(whatif.realms.sums().map(|sums| sums.asked).sum::<u64>(), 20);
    let message = users[3].queue.messages().next().unwrap().id;
    let of_one = Scope { message: Some(message), ..Scope::all() };
    let whatif = ask(&journal, &of_one, &keeper);
    assert_eq!(whatif.realms.sums().map(|sums| sums.asked).sum::<u64>(), 2, "its admission and its handling");
    let later = Scope { since: at(9999), ..Scope::all() };
    assert_eq!(
        (ask(&journal, &later, &keeper).realms, ask(&journal, &later, &keeper).counts.replayed),
        (Tally::default(), 0)
    );
}

#[test]
fn a_snapshot_of_before_spares_the_way_and_changes_nothing() {
    let (journal, mut users) = town(&standard);
    for user in &users {
        user.snapshot(&journal, &user.queue);
    }
    let before = users[1].head;
    for user in &mut users {
        user.gets(&journal, 4000, 60, &standard);
    }
    let since = Scope { since: at(3500), ..Scope::all() };
    let plain = ask(&journal, &since, &keeper);
    assert_eq!((sums(&plain, "odd.test", Hook::Handling).asked, plain.counts.records), (10, 20));
    // That it is used shows when it lies.
    let mut liar = User::new("sip:user1@odd.test");
    let elsewhere = MemoryJournal::new();
    (0..3).for_each(|secs| liar.gets(&elsewhere, secs, 99_999, &standard));
    liar.head = before;
    liar.snapshot(&journal, &liar.queue);
    let depths = Mutex::new(Vec::new());
    let candidate = |question: &Question| {
        if matches!(question, Question::Admission { .. }) {
            depths.lock().unwrap().push(question.context().queue_depth);
        }
        standard(question)
    };
    ask(&journal, &since, &candidate);
    let mut depths = depths.into_inner().unwrap();
    depths.sort_unstable();
    assert_eq!((depths[0], depths[18], depths[19]), (2, 2, 3));
}

#[test]
fn what_fails_is_counted_apart_and_what_was_refused_is_not_recallable() {
    let refuses = |question: &Question| match question {
        Question::Admission { context, .. } if context.now == at(1000) => {
            Ok(Verdict::Admission(Admission::Refuse { status: 403, reason: "No".to_owned() }))
        }
        other => standard(other),
    };
    let (journal, _) = town(&refuses);
    let fails = |question: &Question| match question {
        Question::Expiry { .. } => Err(Failure::Trap),
        other => standard(other),
    };
    let whatif = ask(&journal, &Scope::all(), &fails);
    let (expiry, admission) = (sums(&whatif, "odd.test", Hook::Expiry), sums(&whatif, "odd.test", Hook::Admission));
    assert_eq!((expiry.asked, expiry.same, expiry.failed["trap"]), (10, 0, 10));
    assert_eq!((admission.asked, admission.not_recallable["refused"]), (20, 10));
    assert_eq!(whatif.failed(), 20);
    let text = whatif.to_string();
    assert!(text.contains("failed, trap: 10") && text.contains("20 messages were refused"), "{text}");
}

#[test]
fn a_log_that_cannot_be_read_costs_one_user() {
    let (journal, _) = town(&standard);
    let key = UserKey([3; 16]);
    let record = Bytes::from_static(&[1, 2, 3]);
    let chain = Head::EMPTY.chain.extend(&record);
    let (bodies, ended) = (Vec::new(), Vec::new());
    drop(journal.append(Append { user: key, seq: 1, chain, record, bodies, ended, freed: 0, due: None }).unwrap());
    let whatif = ask(&journal, &Scope::all(), &standard);
    assert_eq!((whatif.counts.users, whatif.counts.replayed, whatif.counts.unreadable), (21, 20, 1));
    assert!(whatif.to_string().contains("1 users whose log cannot be read"), "{whatif}");
}

#[test]
fn progress_is_told_and_comes_to_its_end() {
    let (journal, _) = town(&standard);
    let told = Mutex::new(Vec::new());
    let see = |progress: Progress| told.lock().unwrap().push(progress);
    what_if(&journal, &config(), &Scope::all(), &standard, MEANS, &see).unwrap();
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|progress| progress.users);
    assert_eq!(told.len(), 20);
    assert_eq!(told.last(), Some(&Progress { users: 20, of: 20 }));
}

#[test]
fn the_table_and_the_json_say_the_same_and_name_nobody() {
    let (journal, _) = town(&standard);
    let whatif = ask(&journal, &Scope::all(), &keeper);
    let (text, json) = (whatif.to_string(), serde_json::to_value(&whatif).unwrap());
    assert!(text.contains("realm even.test") && text.contains("    discard → store: 10"), "{text}");
    let expiry = &json["realms"]["even.test"]["expiry"];
    assert_eq!((&expiry["different"], &json["replayed"]), (&10.into(), &20.into()));
    let example = &expiry["changes"]["discard → store"]["examples"][1];
    assert_eq!((&example["recorded"], &example["candidate"]), (&"discard".into(), &"store".into()));
    let message = example["message"].as_str().unwrap();
    assert!(MessageId::from_hex(message).is_some() && text.contains(message), "{text}");
    for personal in ["user0", "alice", "secret"] {
        assert!(!text.contains(personal) && !json.to_string().contains(personal), "{personal}");
    }
}

#[test]
fn a_thread_that_ends_before_its_time_is_an_error() {
    let (journal, _) = town(&standard);
    let done = std::sync::atomic::AtomicUsize::new(0);
    let own = std::thread::current().id();
    let panics = |question: &Question| {
        // Whoever is not first waits until the others had their turn, so that some thread beside this one panics.
        if std::thread::current().id() != own {
            done.store(1, std::sync::atomic::Ordering::SeqCst);
            panic!("on purpose");
        }
        while done.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        standard(question)
    };
    let end = what_if(&journal, &config(), &Scope::all(), &panics, MEANS, &|_| ());
    assert_eq!(end, Err(AuditError::Interrupted));
}
