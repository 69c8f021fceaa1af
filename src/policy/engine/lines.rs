//! The lines that a policy writes: kept during the call, written after it, limited in number and rate.

use super::bindings::restante::policy::host;
use super::ticker::TICK;
use crate::policy::mask::{TEXT_BYTES_MAX, fit_for_log, printable};
use crate::queue::question::Question;
use crate::types::Digest;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lines kept of one call.
const LINES_A_CALL_MAX: usize = 8;

/// Lines written a second for one policy, and the most it may have saved up.
const LINES_A_SECOND: u32 = 20;

/// What one call has written so far.
#[derive(Default)]
pub struct Lines {
    kept: Vec<(host::Level, String)>,
    dropped: u64,
}

impl Lines {
    /// One more line, cut now and masked when it is written.
    pub fn push(&mut self, level: host::Level, mut text: String) {
        if self.kept.len() >= LINES_A_CALL_MAX {
            self.dropped += 1;
            return;
        }
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX * 2));
        self.kept.push((level, text));
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.kept.clear();
        self.dropped = 0;
    }

    /// What was kept, level and text, for the author's eyes: nothing is masked, control characters are escaped.
    pub fn take(&mut self) -> Vec<(String, String)> {
        let dropped = std::mem::take(&mut self.dropped);
        let mut lines: Vec<_> =
            self.kept.drain(..).map(|(level, text)| (word(level).to_owned(), printable(&text))).collect();
        if dropped > 0 {
            lines.push((
                "warn".to_owned(),
                format!("restante: {dropped} more lines are dropped, {LINES_A_CALL_MAX} are kept"),
            ));
        }
        lines
    }

    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.dropped == 0
    }

    /// Writes what was kept, as far as the meter allows, and returns how many lines were dropped.
    pub fn write(&mut self, meter: &Meter, digest: Digest, asked: &'static str, question: Option<&Question>) -> u64 {
        let mut dropped = std::mem::take(&mut self.dropped);
        for (level, text) in self.kept.drain(..) {
            if !meter.admit(Instant::now()) {
                dropped += 1;
                continue;
            }
            let text = fit_for_log(&text, question);
            match level {
                host::Level::Debug => tracing::debug!(target: "policy", %digest, asked, "{text}"),
                host::Level::Info => tracing::info!(target: "policy", %digest, asked, "{text}"),
                host::Level::Warn => tracing::warn!(target: "policy", %digest, asked, "{text}"),
                host::Level::Error => tracing::error!(target: "policy", %digest, asked, "{text}"),
            }
        }
        dropped
    }
}

const fn word(level: host::Level) -> &'static str {
    match level {
        host::Level::Debug => "debug",
        host::Level::Info => "info",
        host::Level::Warn => "warn",
        host::Level::Error => "error",
    }
}

/// Allows so many lines a second.
#[derive(Debug)]
pub struct Meter {
    /// Milliseconds' worth of lines saved up, and when that was reckoned.
    saved: Mutex<(u32, Instant)>,
}

/// What one line costs.
const LINE_COST: u32 = 1000 / LINES_A_SECOND;

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self { saved: Mutex::new((1000, now)) }
    }

    /// Whether one more line may be written.
    pub fn admit(&self, now: Instant) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let ticks = now.saturating_duration_since(saved.1).as_nanos() / TICK.as_nanos();
        if ticks > 0 {
            saved.0 = saved.0.saturating_add(u32::try_from(ticks).unwrap_or(u32::MAX)).min(1000);
            saved.1 = now;
        }
        let Some(rest) = saved.0.checked_sub(LINE_COST) else { return false };
        saved.0 = rest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_policy_writes_twenty_lines_a_second_and_no_more() {
        let start = Instant::now();
        let meter = Meter::new(start);
        let admitted = |at| (0..1000).filter(|_| meter.admit(at)).count();
        assert_eq!(admitted(start), 20);
        assert_eq!(admitted(start + Duration::from_millis(100)), 2);
        assert_eq!(admitted(start + Duration::from_hours(1)), 20);
    }

    #[test]
    fn one_call_keeps_eight_short_lines() {
        let mut lines = Lines::default();
        for _ in 0..20 {
            lines.push(host::Level::Info, "é".repeat(100_000));
        }
        assert_eq!(lines.kept.len(), 8);
        assert_eq!(lines.dropped, 12);
        assert!(lines.kept.iter().all(|(_, text)| text.len() <= 1024));
        lines.begin();
        assert!(lines.is_empty());
    }
}
