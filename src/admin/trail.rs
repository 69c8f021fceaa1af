//! What the log tells of requests: who was refused, no oftener than a disk can bear, and who was let through.

use super::access::Granted;
use crate::metrics::{AdminRefusal, Metrics};
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpRequest};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What strangers cause is logged at most once in this time: they must not fill the disk.
const EVERY: Duration = Duration::from_secs(1);

/// Lets one line through in a while.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    told: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// How many lines were left out since the last one, if it is time for another.
    pub(super) fn turn(&self, now: Instant) -> Option<u64> {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.told.is_some_and(|told| now.saturating_duration_since(told) < EVERY) {
            lately.left_out = lately.left_out.saturating_add(1);
            return None;
        }
        lately.told = Some(now);
        Some(std::mem::take(&mut lately.left_out))
    }
}

/// Requests and handshakes that are refused for who sent them: all are counted, of each cause some are logged.
#[derive(Debug)]
pub(super) struct Refusals {
    metrics: Arc<Metrics>,
    nobody: Seldom,
    token: Seldom,
    certificate: Seldom,
    role: Seldom,
}

impl Refusals {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let seldom = Seldom::default;
        Self { metrics, nobody: seldom(), token: seldom(), certificate: seldom(), role: seldom() }
    }

    /// Counts one. `line` logs it, and with it how many lines were left out.
    pub(super) fn note(&self, cause: AdminRefusal, line: impl FnOnce(u64)) {
        self.note_at(Instant::now(), cause, line);
    }

    fn note_at(&self, now: Instant, cause: AdminRefusal, line: impl FnOnce(u64)) {
        self.metrics.admin_refusal(cause);
        let seldom = match cause {
            AdminRefusal::Nobody => &self.nobody,
            AdminRefusal::Token => &self.token,
            AdminRefusal::Certificate => &self.certificate,
            AdminRefusal::Role => &self.role,
        };
        if let Some(left_out) = seldom.turn(now) {
            line(left_out);
        }
    }
}

/// Who asked for something that leaves a trace: the template of its path, as paths have names of users in them.
pub(super) struct Trace {
    granted: Granted,
    method: Method,
    path: String,
}

impl Trace {
    pub(super) fn of(request: &ServiceRequest, granted: Granted) -> Self {
        Self { granted, method: request.method().clone(), path: template(request.request()) }
    }

    /// How it ended.
    pub(super) fn ended(self, status: StatusCode) {
        let Self { granted, method, path } = self;
        let user = granted.user.map(tracing::field::display);
        let (name, status) = (granted.caller.name(), status.as_u16());
        tracing::info!(target: "admin", name, %method, path, status, user, "a request was let through");
    }
}

/// The path as the router knows it.
pub(super) fn template(request: &HttpRequest) -> String {
    request.match_pattern().unwrap_or_else(|| "unknown".to_owned())
}

/// The name of whoever was let through with a request; it goes with the request.
pub(super) struct Name(pub(super) String);

impl Name {
    pub(super) fn of(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map_or_else(|| "-".to_owned(), |name| name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_one_of_a_cause_is_logged_in_a_second() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (refusals, begin) = (Refusals::new(Arc::clone(&metrics)), Instant::now());
        let mut lines = Vec::new();
        for millis in (0..3000).step_by(10) {
            let now = begin + Duration::from_millis(millis);
            refusals.note_at(now, AdminRefusal::Token, |left_out| lines.push(("token", millis, left_out)));
            if millis == 500 {
                refusals.note_at(now, AdminRefusal::Role, |left_out| lines.push(("role", millis, left_out)));
            }
        }
        assert_eq!(lines, [("token", 0, 0), ("role", 500, 0), ("token", 1000, 99), ("token", 2000, 99)]);
        let counted = metrics.render().unwrap();
        assert!(counted.contains("restante_admin_refusals_total{cause=\"token\"} 300\n"), "{counted}");
    }
}
