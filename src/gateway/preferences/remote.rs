//! Preferences from an XDMS: remembered for a while, read once for all who wait, and never failing.

use super::breaker::Breaker;
use super::cache::{Cache, Entry, Said};
use super::xcap::{Fault, Fetched, Xcap};
use super::{Counters, Document, Limit, Outcome, PreferenceSource, Watcher, origin_of, read_into, without};
use crate::config;
use crate::formats::{Origin, Profile};
use crate::gateway::http::{HttpClient, HttpError};
use crate::types::{Address, Timestamp};
use futures_util::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The users of the realms of one XDMS. Changes are found by reading again, with the entity tag: when a profile is wanted
/// that is older than `preferences.max-age-secs`, and that often while a user is not to be disturbed, because then messages
/// wait for the change (I-31). `xcap-diff` (RFC 5875) is not subscribed to.
#[derive(Clone)]
pub struct XcapSource(Arc<Inner>);

struct Inner {
    xcap: Xcap,
    breaker: Breaker,
    cache: Cache,
    flights: Mutex<HashMap<Address, watch::Receiver<Option<Profile>>>>,
    /// Who will be read again unasked; no more than are remembered.
    polled: Mutex<HashSet<Address>>,
    config: config::Preferences,
    counters: Arc<dyn Counters>,
    told: OnceLock<Watcher>,
}

/// A reading that is going on; when it ends, however that comes about, the next one may begin.
struct Flight {
    inner: Arc<Inner>,
    user: Address,
    answer: watch::Sender<Option<Profile>>,
}

/// The moment now, from the moment it was when something began.
#[derive(Clone, Copy)]
struct Clock {
    began: Timestamp,
    at: Instant,
}

impl XcapSource {
    /// Asks nobody yet. `http` has its limits from the same section.
    pub fn new(http: HttpClient, root: &str, config: &config::Preferences, counters: Arc<dyn Counters>) -> Self {
        Self(Arc::new(Inner {
            xcap: Xcap::new(http, root, config),
            breaker: Breaker::new(
                config.breaker_failures,
                Duration::from_secs(config.breaker_pause_secs),
                Arc::clone(&counters),
            ),
            cache: Cache::new(config.cache_users_max, config.cache_bytes_max, Arc::clone(&counters)),
            flights: Mutex::default(),
            polled: Mutex::default(),
            config: config.clone(),
            counters,
            told: OnceLock::new(),
        }))
    }
}

impl PreferenceSource for XcapSource {
    fn cached(&self, user: &Address, now: Timestamp) -> Option<Profile> {
        let found = self.0.cache.fresh(user, now);
        self.0.counters.wanted(found.is_some());
        found
    }

    fn read(&self, user: &Address, now: Timestamp) -> BoxFuture<'static, Profile> {
        let (inner, user) = (Arc::clone(&self.0), user.clone());
        Box::pin(async move { inner.join(&user, now).await })
    }

    fn changed(&self, told: Watcher) {
        // The first one stays.
        let _ = self.0.told.set(told);
    }
}

impl Inner {
    fn flights(&self) -> MutexGuard<'_, HashMap<Address, watch::Receiver<Option<Profile>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the reading that is going on, or begins one.
    async fn join(self: &Arc<Self>, user: &Address, now: Timestamp) -> Profile {
        if let Some(fresh) = self.cache.fresh(user, now) {
            return fresh;
        }
        let (mut answer, begun) = {
            let mut flights = self.flights();
            match flights.get(user) {
                Some(answer) => (answer.clone(), None),
                None if flights.len() >= self.config.reads_max => {
                    drop(flights);
                    self.counters.limit_hit(Limit::Reads);
                    return fallback(self.cache.known(user).as_ref(), &self.xcap);
                }
                None => {
                    let (sender, answer) = watch::channel(None);
                    flights.insert(user.clone(), answer.clone());
                    (answer, Some(Flight { inner: Arc::clone(self), user: user.clone(), answer: sender }))
                }
            }
        };
        if let Some(flight) = begun {
            // Of its own: it ends for those who wait even if whoever began it goes away.
            tokio::spawn(flight.fly(Clock { began: now, at: Instant::now() }));
        }
        let profile = answer.wait_for(Option::is_some).await.ok().and_then(|profile| profile.clone());
        profile.unwrap_or_else(|| fallback(self.cache.known(user).as_ref(), &self.xcap))
    }

    /// Reads every document, remembers what was learnt, and tells if something changed.
    async fn refresh(&self, user: &Address, clock: Clock) -> Profile {
        let known = self.cache.known(user);
        let mut next = known.clone().unwrap_or_else(|| Entry {
            profile: Profile::default(),
            good: Profile::default(),
            read: clock.began,
            until: clock.began,
            said: <[Said; 2]>::default(),
        });
        let (mut complete, mut changed) = (true, false);
        for (document, said) in Document::ALL.into_iter().zip(&mut next.said) {
            if !self.xcap.asks_for(document) {
                continue;
            }
            if let Some(new) = self.ask(user, document, said, &mut next.good, clock).await {
                changed |= new;
            } else {
                complete = false;
                break;
            }
        }
        next.profile = if complete {
            Profile { origin: origin_of(&next.good), ..next.good.clone() }
        } else {
            fallback(Some(&next), &self.xcap)
        };
        next.read = clock.now();
        next.until = next.read.after(self.lasts(next.profile.origin));
        let profile = next.profile.clone();
        self.cache.put(user, next);
        if changed
            && known.is_some()
            && let Some(told) = self.told.get()
        {
            told(user);
        }
        profile
    }

    /// While a user is not to be disturbed, their documents are read again whenever they have become old.
    fn poll(self: &Arc<Self>, user: &Address, profile: &Profile, clock: Clock) {
        if !profile.user.as_ref().is_some_and(|user| user.do_not_disturb) || !self.will_poll(user) {
            return;
        }
        let (inner, user) = (Arc::clone(self), user.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(inner.config.max_age_secs)).await;
            inner.polled().remove(&user);
            inner.join(&user, clock.now()).await;
        });
    }

    fn will_poll(&self, user: &Address) -> bool {
        let mut polled = self.polled();
        if polled.len() >= self.config.cache_users_max {
            self.counters.limit_hit(Limit::CachedUsers);
            return false;
        }
        polled.insert(user.clone())
    }

    fn polled(&self) -> MutexGuard<'_, HashSet<Address>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a profile is fresh.
    const fn lasts(&self, origin: Origin) -> Duration {
        Duration::from_secs(match origin {
            Origin::Document => self.config.max_age_secs,
            Origin::Absent => self.config.absent_max_age_secs,
            Origin::Stale | Origin::Unreachable => self.config.failure_max_age_secs,
        })
    }

    /// One document, with as many attempts as are allowed; whether it is another than before. `None` if it could not be
    /// had: then nothing known of it is changed.
    async fn ask(
        &self,
        user: &Address,
        document: Document,
        said: &mut Said,
        profile: &mut Profile,
        clock: Clock,
    ) -> Option<bool> {
        for attempt in 0..self.config.attempts_max {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(self.config.retry_pause_ms)).await;
            }
            if !self.breaker.admits(clock.now()) {
                self.counters.read(Outcome::NotAsked, Duration::ZERO);
                return None;
            }
            let tag = match &*said {
                Said::There { tag, .. } => tag.clone(),
                Said::Nothing | Said::Absent => None,
            };
            let start = Instant::now();
            match self.xcap.get(user, document, tag.as_deref()).await {
                Ok(fetched) => {
                    self.breaker.succeeded();
                    return self.take(user, document, fetched, said, profile, start.elapsed());
                }
                Err(fault) => {
                    self.note(user, &fault, start.elapsed());
                    if !fault.is_of_the_server() {
                        // It did answer, and would answer the same.
                        self.breaker.succeeded();
                        return None;
                    }
                    self.breaker.failed(clock.now());
                }
            }
        }
        None
    }

    /// Makes an answer part of what is known.
    fn take(
        &self,
        user: &Address,
        document: Document,
        fetched: Fetched,
        said: &mut Said,
        profile: &mut Profile,
        took: Duration,
    ) -> Option<bool> {
        match fetched {
            Fetched::Unchanged => {
                self.counters.read(Outcome::Unchanged, took);
                Some(false)
            }
            Fetched::Absent => {
                self.counters.read(Outcome::Absent, took);
                without(profile, document);
                Some(std::mem::replace(said, Said::Absent) != Said::Absent)
            }
            Fetched::There { tag, body } => {
                let before = profile.clone();
                if let Err(why) = read_into(profile, document, &body, self.config.document_bytes_max) {
                    self.counters.read(Outcome::Unreadable, took);
                    tracing::warn!(user = %user.key(), document = document.name(), %why, "the XDMS has a document that cannot be read: correct it there");
                    return None;
                }
                self.counters.read(Outcome::Found, took);
                *said = Said::There { tag, octets: body.len() };
                Some(*profile != before)
            }
        }
    }

    fn note(&self, user: &Address, fault: &Fault, took: Duration) {
        self.counters.read(fault.outcome(), took);
        match fault {
            Fault::Http(HttpError::TooLong { .. }) => self.counters.limit_hit(Limit::DocumentBytes),
            Fault::Http(HttpError::Busy { .. }) => self.counters.limit_hit(Limit::Requests),
            _ => {}
        }
        tracing::debug!(user = %user.key(), %fault, "preferences could not be read");
    }
}

/// What stands in when the XDMS does not answer: the documents known before, if all of them are.
fn fallback(known: Option<&Entry>, xcap: &Xcap) -> Profile {
    let whole = |entry: &&Entry| {
        Document::ALL
            .iter()
            .zip(&entry.said)
            .all(|(document, said)| !xcap.asks_for(*document) || *said != Said::Nothing)
    };
    match known.filter(whole) {
        Some(entry) => Profile { origin: Origin::Stale, ..entry.good.clone() },
        None => Profile { origin: Origin::Unreachable, ..Profile::default() },
    }
}

impl Flight {
    async fn fly(self, clock: Clock) {
        let profile = self.inner.refresh(&self.user, clock).await;
        self.inner.poll(&self.user, &profile, clock);
        self.answer.send_replace(Some(profile));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.inner.flights().remove(&self.user);
    }
}

impl Clock {
    fn now(self) -> Timestamp {
        self.began.after(self.at.elapsed())
    }
}
