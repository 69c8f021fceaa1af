//! Pacing: how many pushes may be young and unanswered at once, so that a mass registration begins no more of them than
//! can be answered before they are retransmitted.

use crate::metrics::{Limit, Metrics};
use crate::sip::transaction::T1;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns to push, given in the order in which they were asked for. A user asks for one per message in flight
/// (`queue.in-flight-max`), so that one with many messages is no faster than the others.
pub struct Pace {
    turns: Arc<Semaphore>,
    /// So old a push is not counted any more: a phone that does not answer must not stop the others.
    young: Duration,
}

/// The right to one push that is young and not answered.
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
    young: Duration,
}

impl Pace {
    /// So many at once (`actors.pushes-max`), none of them older than T1 (RFC 3261 section 17.1.2.2), when it would be
    /// retransmitted.
    #[must_use]
    pub fn new(pushes_max: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(pushes_max)), young: T1 }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self, metrics: &Metrics) -> Turn {
        if self.turns.available_permits() == 0 {
            metrics.limit_hit(Limit::Pushes);
        }
        // The semaphore is never closed.
        Turn { _permit: Arc::clone(&self.turns).acquire_owned().await.ok(), young: self.young }
    }
}

impl Turn {
    /// Waits for the answer. The turn is the next one's when it is there, or when the push is young no more.
    pub(super) async fn until<F: Future + Unpin>(self, mut answer: F) -> F::Output {
        if let Ok(answer) = tokio::time::timeout(self.young, &mut answer).await {
            return answer;
        }
        drop(self);
        answer.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::join;
    use tokio::sync::oneshot;

    fn on_runtime<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    #[test]
    fn turns_come_in_the_order_they_were_asked_for_and_waiting_is_counted() {
        let (pace, metrics) = (Pace::new(1), Metrics::new().unwrap());
        let turn = || Box::pin(pace.turn(&metrics));
        let first = turn().now_or_never().unwrap();
        let (mut second, mut third) = (turn(), turn());
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "out of turn");
        drop(second.now_or_never().unwrap());
        assert!(third.now_or_never().is_some());
        let counted = metrics.render().unwrap();
        assert!(counted.contains("limit=\"actors.pushes-max\"} 2"), "{counted}");
    }

    #[test]
    fn an_answer_ends_the_turn() {
        on_runtime(async {
            let (pace, metrics) = (Pace { young: Duration::MAX, ..Pace::new(1) }, Metrics::new().unwrap());
            assert_eq!(pace.turn(&metrics).await.until(std::future::ready(7)).await, 7);
            assert!(pace.turn(&metrics).now_or_never().is_some());
        });
    }

    #[test]
    fn who_gets_no_answer_lets_the_next_go_on_and_still_hears_a_late_one() {
        on_runtime(async {
            let (pace, metrics) = (Pace { young: Duration::from_millis(1), ..Pace::new(1) }, Metrics::new().unwrap());
            let (tell, told) = oneshot::channel();
            let silent = pace.turn(&metrics).await.until(told);
            let next = async {
                pace.turn(&metrics).await;
                tell.send(8)
            };
            assert_eq!(join(silent, next).await, (Ok(8), Ok(())));
        });
    }
}
