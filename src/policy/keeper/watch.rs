//! The thread that hears alarms: a binding that was tripped is written down, and the last good one takes its place.
//!
//! Until then the host itself lets the standard rule answer: an alarm may wait for the disk.

use super::decide::Order;
use super::orders::Bench;
use super::{Keeper, ours};
use crate::policy::policies::PoliciesError;
use crate::policy::{Alarm, Bell as Rope};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// An alarm that could not be written down is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// What the thread hears.
pub(super) enum Sound {
    Alarm(Alarm),
    Close,
}

/// Where alarms come from.
pub(super) struct Bell(SyncSender<Sound>);

/// A bell for so many slots, and what hears it. Each slot rings once for each binding, and has a new one only after the
/// thread has heard it: nothing is lost for want of room.
pub(super) fn bell(slots: usize) -> (Bell, Receiver<Sound>) {
    let (sender, receiver) = sync_channel(slots.saturating_mul(2).saturating_add(1));
    (Bell(sender), receiver)
}

impl Bell {
    /// What the host pulls.
    pub(super) fn rope(&self) -> Rope {
        let sender = self.0.clone();
        Box::new(move |alarm| {
            if sender.try_send(Sound::Alarm(alarm)).is_err() {
                tracing::error!(target: "policy", "nobody hears that a policy was tripped; the standard rule goes on answering for it");
            }
        })
    }
}

/// The thread.
pub(super) struct Watch {
    bell: Bell,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    pub(super) const fn new(bell: Bell) -> Self {
        Self { bell, thread: Mutex::new(None) }
    }

    /// From now on alarms are heard.
    pub(super) fn start(&self, keeper: &Arc<Keeper>, alarms: Receiver<Sound>) -> std::io::Result<()> {
        let keeper = Arc::downgrade(keeper);
        let thread = thread::Builder::new().name("policy-keeper".to_owned()).spawn(move || listen(&keeper, &alarms))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Ends the thread and waits for it.
    pub(super) fn close(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // A full channel wakes it as well, and it sees that the keeper is closed or gone.
        let _ = self.bell.0.try_send(Sound::Close);
        // The thread itself may be the last to let go of the keeper.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!(target: "policy", "the thread that hears alarms of policies has panicked; please report it");
        }
    }
}

fn listen(keeper: &Weak<Keeper>, sounds: &Receiver<Sound>) {
    let mut waiting: VecDeque<Alarm> = VecDeque::new();
    loop {
        let sound = if waiting.is_empty() {
            sounds.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            sounds.recv_timeout(AGAIN)
        };
        match sound {
            Ok(Sound::Alarm(alarm)) => waiting.push_back(alarm),
            Ok(Sound::Close) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let Some(keeper) = keeper.upgrade() else { return };
        while let Some(alarm) = waiting.front() {
            match keeper.heed(alarm) {
                Ok(()) => drop(waiting.pop_front()),
                Err(PoliciesError::Stopping) => return,
                Err(error) => {
                    tracing::error!(target: "policy", %error, "a tripped policy could not be taken off yet; the standard rule answers meanwhile");
                    break;
                }
            }
        }
    }
}

impl Keeper {
    /// Takes a tripped binding off; nothing if something else is bound by now.
    fn heed(&self, alarm: &Alarm) -> Result<(), PoliciesError> {
        let Alarm::Tripped { realm, hook, policy, failures } = alarm;
        let tripped = self.host.health(realm, *hook).is_some_and(|health| health.tripped);
        if !tripped {
            return Ok(());
        }
        let (realm, decision) = (realm.clone(), hook.name());
        tracing::error!(target: "policy", realm, decision, %policy, failures, "a policy failed too often and is taken off; the last good one takes its place");
        let order = Order::Trip { realm, hook: *hook, policy: *policy, failures: *failures };
        let result = self.carry_out(&ours(order, ""), None, &mut Bench::default()).map(drop);
        self.counted(crate::policy::Order::Trip, result)
    }
}
