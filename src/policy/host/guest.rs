//! What the host wants of whatever is bound: its name and its answers.

use crate::policy::Binding;
use crate::queue::question::{Failure, Question, Verdict};
use crate::types::Digest;

/// A binding, or a stand-in for one in tests.
pub(super) trait Guest: Send + Sync {
    /// Of its component.
    fn digest(&self) -> Digest;
    /// Asks it.
    ///
    /// # Errors
    /// How it failed.
    fn judge(&self, question: &Question) -> Result<Verdict, Failure>;
}

impl Guest for Binding {
    fn digest(&self) -> Digest {
        Self::digest(self)
    }

    fn judge(&self, question: &Question) -> Result<Verdict, Failure> {
        Self::judge(self, question).map_err(|failed| failed.failure)
    }
}
