//! The keeper's own thread. It makes ready what is bound when the server starts, and hears alarms: a binding that was
//! tripped is written down, and the last good one takes its place.
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
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// An alarm that could not be written down is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// A binding that could not be made ready, for no fault of its own, is tried again after so long.
const LATER: Duration = Duration::from_secs(10);
/// What is being compiled when the keeper is closed is waited for so long. Nothing is written after it is closed.
const FAREWELL: Duration = Duration::from_secs(2);

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
    /// What hangs up when the thread has ended, and which thread it is.
    thread: Mutex<Option<(ThreadId, Receiver<()>)>>,
}

impl Watch {
    pub(super) const fn new(bell: Bell) -> Self {
        Self { bell, thread: Mutex::new(None) }
    }

    /// From now on what is bound is made ready, and alarms are heard. What is given back hears when all was tried once.
    pub(super) fn start(&self, keeper: &Arc<Keeper>, alarms: Receiver<Sound>) -> std::io::Result<Receiver<()>> {
        let keeper = Arc::downgrade(keeper);
        let ((ready, is_ready), (ended, has_ended)) = (sync_channel(1), sync_channel(0));
        let thread = thread::Builder::new().name("policy-keeper".to_owned()).spawn(move || {
            listen(&keeper, &alarms, &ready);
            drop::<SyncSender<()>>(ended);
        })?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some((thread.thread().id(), has_ended));
        Ok(is_ready)
    }

    /// Ends the thread, and waits for it, but not for a compilation.
    pub(super) fn close(&self) {
        let Some((thread, has_ended)) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        // A full channel wakes it as well, and it sees that the keeper is closed or gone.
        let _ = self.bell.0.try_send(Sound::Close);
        // The thread itself may be the last to let go of the keeper.
        if thread != thread::current().id() && has_ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(target: "policy", "a policy is still being made ready; the server does not wait for it");
        }
    }
}

fn listen(keeper: &Weak<Keeper>, sounds: &Receiver<Sound>, ready: &SyncSender<()>) {
    let catch_up = || keeper.upgrade().is_some_and(|keeper| keeper.catch_up());
    let (mut late, mut tried) = (catch_up(), Instant::now());
    // Who started may have lost patience.
    let _ = ready.try_send(());
    let mut waiting: VecDeque<Alarm> = VecDeque::new();
    loop {
        let sound = match (waiting.is_empty(), late) {
            (true, false) => sounds.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (true, true) => sounds.recv_timeout(LATER),
            (false, _) => sounds.recv_timeout(AGAIN),
        };
        match sound {
            Ok(Sound::Alarm(alarm)) => waiting.push_back(alarm),
            Ok(Sound::Close) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if late && tried.elapsed() >= LATER {
            (late, tried) = (catch_up(), Instant::now());
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
        let is_tripped = || self.host.health(realm, *hook).is_some_and(|health| health.tripped);
        let order = Order::Trip { realm: realm.clone(), hook: *hook, policy: *policy, failures: *failures };
        // An order may bind the same policy with better settings while this one waits for its turn.
        let result = self.carry_out_if(is_tripped, &ours(order, ""), None, &mut Bench::default());
        if result.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(());
        }
        let decision = hook.name();
        tracing::error!(target: "policy", realm, decision, %policy, failures, "a policy failed too often and is taken off; the last good one takes its place");
        self.counted(crate::policy::Order::Trip, result.map(drop))
    }
}
