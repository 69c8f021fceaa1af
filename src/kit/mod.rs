//! The policy author's kit: new projects, cases with a question and the verdict that it should get, and trying them.

pub mod case;
mod new;
mod test;

pub use new::{Lang, NewError, Project, new};
pub use test::{CaseResult, Outcome, TestError, TestReport, test};
