//! `restante demo`: the story of a deferred message over loopback SIP.

use super::{CliError, out};
use crate::app;

pub(super) fn run() -> Result<(), CliError> {
    Ok(app::demo(|line| out::result(line))?)
}
