//! A table is replaced between two questions, never within one, and never half.

use super::*;
use crate::queue::question::Admission;
use crate::types::Timestamp;
use std::sync::atomic::AtomicBool;

/// Threads that ask; more than this machine has processors, so that they are stopped in the middle of things.
const ASKING: usize = 6;
const SWAPS: usize = 500;

/// The policy of the set of this number; its digest and its verdicts tell which it is.
fn policy(number: usize) -> Arc<Fake> {
    let secs = u64::try_from(number).unwrap() + 1;
    let answer = move |question: &Question| {
        Ok(match question.hook() {
            Hook::Admission => Verdict::Admission(Admission::Accept { expiry_max_secs: secs }),
            Hook::Delivery => Verdict::Delivery(Delivery::HoldUntil(Timestamp::from_secs(secs))),
            _ if number.is_multiple_of(2) => PUSH,
            _ => MANAGE,
        })
    };
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    Arc::new(Fake { digest: Digest(digest), answer: Box::new(answer), asked: AtomicUsize::new(0) })
}

fn number(ruling: &Ruling<Verdict>) -> usize {
    let Judge::Component(digest) = ruling.judge else { panic!("{:?}", ruling.judge) };
    usize::from_be_bytes(digest.0[..8].try_into().unwrap())
}

/// The same policy for several decisions of two realms.
fn set(policy: &Arc<Fake>) -> Vec<Place> {
    let hooks = [Hook::Admission, Hook::Delivery, Hook::Handling];
    [REALM, OTHER].iter().flat_map(|realm| hooks.map(|hook| policy.bound(realm, hook))).collect()
}

#[test]
fn every_verdict_is_of_one_set_and_none_of_an_older_one_than_was_in_force_when_it_was_asked_for() {
    let limits = config::Policy { realm_ms_per_second: 1_000_000, ..config::Policy::default() };
    let host = Host::new(&limits, Arc::new(NoCounters), Box::new(|_| {}));
    let install = |policy: &Arc<Fake>| host.place(set(policy));
    let policies: Vec<_> = (0..=SWAPS).map(policy).collect();
    let questions = [samples::admission(), handling(), delivery(), elsewhere(handling())];
    install(&policies[0]);
    // The number of the set whose installation has returned: the next one may be on its way.
    let (installed, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ask_on = |first: usize| {
        let mut asked = 0;
        while !stop.load(Ordering::SeqCst) {
            let question = &questions[(first + asked) % questions.len()];
            let before = installed.load(Ordering::SeqCst);
            let ruling = host.ask(question);
            let after = installed.load(Ordering::SeqCst);
            let told = number(&ruling);
            assert!((before..=after + 1).contains(&told), "set {told}; {before} when it began, {after} when it ended");
            assert_eq!(Ok(ruling.verdict), (policies[told].answer)(question), "half of this set, half of that");
            asked += 1;
        }
        asked
    };
    std::thread::scope(|scope| {
        let ask_on = &ask_on;
        let asking: Vec<_> = (0..ASKING).map(|first| scope.spawn(move || ask_on(first))).collect();
        for (swap, policy) in policies.iter().enumerate().skip(1) {
            install(policy);
            installed.store(swap, Ordering::SeqCst);
            for question in &questions {
                assert_eq!(number(&host.ask(question)), swap, "nobody installs now");
            }
        }
        stop.store(true, Ordering::SeqCst);
        for thread in asking {
            assert!(thread.join().unwrap() > 0);
        }
    });
    assert!(policies[..SWAPS].iter().all(|policy| Arc::strong_count(policy) == 1), "what is unbound is let go");
}
