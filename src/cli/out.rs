//! The only two ways to the terminal: results to stdout, messages to stderr. A reader that went away is no error.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Result, Write};
use std::sync::OnceLock;

/// Why a part of the result is lost: what became of the first line that could not be written.
static LOST: OnceLock<Error> = OnceLock::new();

/// A line of the result, to stdout. Whether it arrived is asked at the end: [`lost`].
pub fn result(line: impl Display) {
    if let Some(error) = failure(written(&mut std::io::stdout().lock(), line)) {
        // The first one says why.
        let _ = LOST.set(error);
    }
}

/// Why a part of the result did not get to where stdout leads, if so.
pub fn lost() -> Option<&'static Error> {
    LOST.get()
}

/// What is wrong with a write: whoever closed the pipe (`| head`) has seen enough.
pub fn failure(result: Result<()>) -> Option<Error> {
    result.err().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// A line for the operator, to stderr.
pub fn message(line: impl Display) {
    // Nobody is left to be told.
    let _ = written(&mut std::io::stderr().lock(), line);
}

fn written(to: &mut impl Write, line: impl Display) -> Result<()> {
    writeln!(to, "{line}")?;
    to.flush()
}
