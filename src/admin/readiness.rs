//! Whether the server should be sent traffic, and what is missing if not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What must hold for the server to be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The journal is open and takes appends.
    Journal,
    /// A policy component is loaded, or the native rules stand in.
    Policy,
    /// Every SIP socket is bound.
    Sip,
    /// The server is not stopping. Holds from the start.
    Staying,
}

impl Condition {
    const ALL: [Self; 4] = [Self::Journal, Self::Policy, Self::Sip, Self::Staying];

    /// Its name in the answer of `/readyz`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Policy => "policy",
            Self::Sip => "sip",
            Self::Staying => "staying",
        }
    }

    /// What it means that it does not hold.
    pub(super) const fn absence(self) -> &'static str {
        match self {
            Self::Journal => "the journal takes no appends: it is being opened, or its store failed; see the log",
            Self::Policy => "the policy component is being loaded",
            Self::Sip => "the SIP sockets are not bound yet",
            Self::Staying => "the server is stopping: send traffic elsewhere",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Shared by all who know something about readiness; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Nothing holds yet, except that the server stays.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU8::new(Condition::Staying.bit())))
    }

    /// Says whether a condition holds now.
    pub fn set(&self, condition: Condition, holds: bool) {
        if holds {
            self.0.fetch_or(condition.bit(), Ordering::AcqRel);
        } else {
            self.0.fetch_and(!condition.bit(), Ordering::AcqRel);
        }
    }

    /// The conditions that do not hold; none if the server is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<Condition> {
        let held = self.0.load(Ordering::Acquire);
        Condition::ALL.into_iter().filter(|condition| held & condition.bit() == 0).collect()
    }

    /// Whether every condition holds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}
