//! Lines for the operator's log. The host masks addresses, and drops what is beyond 8 lines a call.

use crate::Level;

/// Writes a line; the macros are shorter.
pub fn write(level: Level, line: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::common::restante::policy::host::log(level, line);
    // Where unit tests run there is no host to write to.
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (level, line);
}

/// Writes a line that matters to the author only.
#[macro_export]
macro_rules! debug {
    ($($text:tt)*) => { $crate::write($crate::Level::Debug, &$crate::prelude::format!($($text)*)) };
}

/// Writes a line that is good to know.
#[macro_export]
macro_rules! info {
    ($($text:tt)*) => { $crate::write($crate::Level::Info, &$crate::prelude::format!($($text)*)) };
}

/// Writes a line that somebody should look at.
#[macro_export]
macro_rules! warn {
    ($($text:tt)*) => { $crate::write($crate::Level::Warn, &$crate::prelude::format!($($text)*)) };
}

/// Writes a line about something that is wrong.
#[macro_export]
macro_rules! error {
    ($($text:tt)*) => { $crate::write($crate::Level::Error, &$crate::prelude::format!($($text)*)) };
}
