//! What the standard library would bring: the allocator, and what happens on a panic.

use crate::Level;
use core::fmt::{self, Write as _};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A panic is told in the log, as far as a line goes, and traps: the standard behaviour answers this question.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    let mut line = Line { text: [0; 256], used: 0 };
    let _ = write!(line, "{info}");
    crate::write(Level::Error, line.as_str());
    core::arch::wasm32::unreachable()
}

/// A line that needs no allocation: what is too long is cut.
struct Line {
    text: [u8; 256],
    used: usize,
}

impl Line {
    fn as_str(&self) -> &str {
        let written = &self.text[..self.used];
        // Cut inside of a character: without its first octets.
        core::str::from_utf8(written)
            .unwrap_or_else(|error| core::str::from_utf8(&written[..error.valid_up_to()]).unwrap_or_default())
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.text[self.used..];
        let fits = text.len().min(room.len());
        room[..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.used += fits;
        Ok(())
    }
}
