//! What a refused order is in HTTP: its status, and what a program may want to know besides the text.

use crate::admin::problem::Problem;
use crate::policy::policies::{PoliciesError, ReceptionError, SignatureError};
use actix_web::http::StatusCode;

/// The answer.
pub(super) fn problem(error: &PoliciesError) -> Problem {
    let status = status(error);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(target: "admin", %error, "an order about policies failed");
    }
    let problem = Problem::new(status, error.to_string());
    match error {
        PoliciesError::Unacceptable(report) => problem.with("findings", &report.findings()).with("report", report),
        PoliciesError::Settings(problems) => problem.with("problems", problems),
        PoliciesError::InUse { bound, .. } => problem.with("bound", bound),
        PoliciesError::Ambiguous(_, digests) => {
            problem.with("policies", &digests.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        _ => problem,
    }
}

const fn status(error: &PoliciesError) -> StatusCode {
    match error {
        PoliciesError::NoSuchPolicy(_) | PoliciesError::NoSuchRealm(_) => StatusCode::NOT_FOUND,
        PoliciesError::Retired(_) => StatusCode::GONE,
        PoliciesError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PoliciesError::Signature(SignatureError::Form) | PoliciesError::Reception(ReceptionError::Broken) => {
            StatusCode::BAD_REQUEST
        }
        PoliciesError::Reception(ReceptionError::MediaType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PoliciesError::Reception(ReceptionError::TooSlow(..)) => StatusCode::REQUEST_TIMEOUT,
        PoliciesError::Unsigned { .. } | PoliciesError::Signature(_) | PoliciesError::OfOthers => StatusCode::FORBIDDEN,
        PoliciesError::Unacceptable(_)
        | PoliciesError::Settings(_)
        | PoliciesError::NotDecided { .. }
        | PoliciesError::NoSuchDecision(_)
        | PoliciesError::Text { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        PoliciesError::Ambiguous(..)
        | PoliciesError::NotForRealm { .. }
        | PoliciesError::InUse { .. }
        | PoliciesError::BuiltIn
        | PoliciesError::NothingToRollBack { .. }
        | PoliciesError::NothingShadowed { .. } => StatusCode::CONFLICT,
        PoliciesError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        PoliciesError::Busy(_)
        | PoliciesError::NotNow { .. }
        | PoliciesError::Stopping
        | PoliciesError::Reception(ReceptionError::Full(_) | ReceptionError::Another) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        PoliciesError::Store(_)
        | PoliciesError::Damaged { .. }
        | PoliciesError::Newer { .. }
        | PoliciesError::Engine { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
