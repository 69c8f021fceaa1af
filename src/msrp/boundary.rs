//! Where the data of a frame end: line end, seven hyphens, transaction id, flag, line end.

use super::head::Flag;
use memchr::{memchr_iter, memmem::Finder};

/// What a search came to. The first place that fits is the end, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An end-line, with the line end before it, begins here and has so many octets.
    End {
        at: usize,
        len: usize,
        flag: Flag,
    },
    /// What begins here and reaches to the end may become one.
    Perhaps {
        at: usize,
    },
    Nothing,
}

/// The end-line of one frame.
pub(super) struct Boundary(Finder<'static>);

impl Boundary {
    /// Of the frame with this transaction id.
    pub(super) fn new(transaction: &str) -> Self {
        Self(Finder::new(&format!("\r\n-------{transaction}")).into_owned())
    }

    /// Octets of the whole of it: flag and line end come after what is searched for.
    pub(super) fn len(&self) -> usize {
        self.0.needle().len().saturating_add(3)
    }

    /// Searches some octets of the data.
    pub(super) fn search(&self, octets: &[u8]) -> Found {
        let needle = self.0.needle();
        let mut from = 0;
        while let Some(found) = octets.get(from..).and_then(|rest| self.0.find(rest)) {
            let at = from + found;
            match read_tail(octets.get(at + needle.len()..).unwrap_or_default()) {
                Tail::Whole(flag) => return Found::End { at, len: self.len(), flag },
                Tail::Begun => return Found::Perhaps { at },
                Tail::Other => from = at + 1,
            }
        }
        let last = octets.len().saturating_sub(needle.len().saturating_sub(1)).max(from);
        let tail = octets.get(last..).unwrap_or_default();
        let begun = memchr_iter(b'\r', tail).find(|at| needle.starts_with(tail.get(*at..).unwrap_or_default()));
        begun.map_or(Found::Nothing, |at| Found::Perhaps { at: last + at })
    }
}

/// What stands behind the transaction id.
enum Tail {
    Whole(Flag),
    Begun,
    Other,
}

fn read_tail(tail: &[u8]) -> Tail {
    let Some((first, rest)) = tail.split_first() else { return Tail::Begun };
    match (Flag::of(*first), rest) {
        (Some(flag), [b'\r', b'\n', ..]) => Tail::Whole(flag),
        (Some(_), [] | [b'\r']) => Tail::Begun,
        _ => Tail::Other,
    }
}

/// The flag of an end-line that stands where a header could: `-------id$`, without its line end.
pub(super) fn end_line_flag(line: &[u8], transaction: &str) -> Option<Flag> {
    let (flag, rest) = line.split_last()?;
    let rest = rest.strip_prefix(b"-------")?;
    if rest == transaction.as_bytes() { Flag::of(*flag) } else { None }
}
