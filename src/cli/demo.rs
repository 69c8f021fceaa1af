//! `restante demo`: a story of deferred messages over loopback SIP.

use super::{CliError, out};
use crate::app::{self, Story};

pub(super) fn run(manage: bool, large: bool) -> Result<(), CliError> {
    let story = match (manage, large) {
        (true, _) => Story::Manage,
        (_, true) => Story::Large,
        _ => Story::Push,
    };
    Ok(app::demo(story, |line| out::result(line))?)
}
