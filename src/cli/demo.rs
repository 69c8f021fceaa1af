//! `restante demo`: a story of deferred messages over loopback SIP.

use super::{CliError, out};
use crate::app::{self, Story};

pub(super) fn run(manage: bool) -> Result<(), CliError> {
    let story = if manage { Story::Manage } else { Story::Push };
    Ok(app::demo(story, |line| out::result(line))?)
}
