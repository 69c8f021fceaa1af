//! The only two ways to the terminal: results to stdout, messages to stderr. A reader that went away is no error.

use std::fmt::Display;
use std::io::Write as _;

/// A line of the result, to stdout.
pub fn result(line: impl Display) {
    // Whoever closed the pipe (`| head`) has seen enough.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line for the operator, to stderr.
pub fn message(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
