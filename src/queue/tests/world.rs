//! The simulation's world: dice, phones, and a message store, an ISF and senders that are sometimes there.

use super::model::mixed;
use super::words::place;
use crate::queue::command::{Failed, Success};
use crate::queue::event::{Action, ErrandFailure, Location};
use crate::queue::{Errand, Task};
use crate::types::MessageId;
use std::collections::{BTreeMap, BTreeSet};

/// Repeatable dice.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    pub fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A phone: what it has, and the transactions that it would know again.
#[derive(Default)]
pub struct Phone {
    pub on: bool,
    pub boot: u32,
    pub cseq: u32,
    /// Answers by Call-ID, and when they were first given.
    pub answers: BTreeMap<String, (u64, u16)>,
    /// Distinct transactions by message that it answered with 200.
    pub taken: BTreeMap<MessageId, u32>,
}

/// Everybody but the phones, and what they have.
#[derive(Default)]
pub struct Others {
    next_uid: u32,
    /// What the message store has of each message.
    pub stored: BTreeMap<MessageId, BTreeSet<u32>>,
    /// Whom the sender of each was told what, by Call-ID.
    pub told: BTreeMap<(MessageId, String), BTreeSet<String>>,
}

impl Others {
    /// What comes of a try, and after how many milliseconds. They go away for hours now and then.
    pub fn answer(&mut self, errand: &Errand, call: &str, now: u64, dice: &mut Dice) -> (u64, Result<Success, Failed>) {
        let failed = |failure| Err(Failed { failure, retry_after_secs: None });
        let is_away = (now / 7_200_000 + errand.task.kind() as u64).is_multiple_of(3);
        if is_away || dice.percent(5) {
            let after = if dice.percent(50) { 32_000 } else { 50 };
            return (after, failed(ErrandFailure::Timeout));
        }
        let (status, after) = (dice.below(100), dice.below(3000));
        if status < 10 {
            let failures = [ErrandFailure::Status(480), ErrandFailure::Refused, ErrandFailure::Transport];
            return (after, failed(failures[usize::try_from(status % 3).unwrap()]));
        }
        let success = match &errand.task {
            Task::Store { message, .. } | Task::Record { message } => Success::Stored(self.store(*message)),
            Task::Withdraw { message, location } => {
                self.stored.entry(*message).or_default().remove(&location.uid);
                Success::Done
            }
            Task::Report(report) => {
                let name = format!("{:?}", report.disposition);
                self.told.entry((report.message, name)).or_default().insert(call.to_owned());
                Success::Response(202)
            }
            Task::Notify { .. } | Task::Interwork { .. } => Success::Response(200),
        };
        (after, Ok(success))
    }

    /// A store that finds what it has put away before: searching goes before a repeated APPEND.
    fn store(&mut self, message: MessageId) -> Location {
        let known = self.stored.entry(message).or_default();
        let uid = known.first().copied().unwrap_or_else(|| {
            self.next_uid += 1;
            self.next_uid
        });
        known.insert(uid);
        Location { uid, ..place() }
    }
}

/// What a user may want done.
pub fn any_action(dice: &mut Dice) -> Action {
    let actions = [Action::Delete, Action::Interwork, Action::Store, Action::Deliver];
    actions[usize::try_from(dice.below(4)).unwrap()]
}

/// Says which run it was, should it fail.
pub struct Seed(pub u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("this run can be repeated with RESTANTE_SEED={}", self.0);
        }
    }
}

pub fn wish(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}
