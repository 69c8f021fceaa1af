//! Which octets of a message are there: a bounded set of ranges that do not touch.

use std::ops::Range;

/// The set. Ranges are in order, none is empty, and between two there is a gap.
#[derive(Debug)]
pub(super) struct Spans {
    ranges: Vec<Range<u64>>,
    max: usize,
}

/// There are more gaps than are kept account of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Spans {
    /// Nothing yet, and at most `max` ranges, at least one.
    pub(super) const fn new(max: usize) -> Self {
        Self { ranges: Vec::new(), max: if max == 0 { 1 } else { max } }
    }

    /// Adds octets that may be there already; unchanged on error.
    pub(super) fn insert(&mut self, new: Range<u64>) -> Result<(), TooMany> {
        if new.is_empty() {
            return Ok(());
        }
        // Those from `low` to `high` overlap the new one, or touch it.
        let low = self.ranges.partition_point(|range| range.end < new.start);
        let high = self.ranges.partition_point(|range| range.start <= new.end);
        if low < high {
            let first = self.ranges.get(low).map_or(new.start, |range| range.start.min(new.start));
            let last = self.ranges.get(high - 1).map_or(new.end, |range| range.end.max(new.end));
            self.ranges.drain(low + 1..high);
            if let Some(range) = self.ranges.get_mut(low) {
                *range = first..last;
            }
        } else if self.ranges.len() < self.max {
            self.ranges.insert(low, new);
        } else {
            return Err(TooMany);
        }
        Ok(())
    }

    /// Whether the octets from the first up to this many are there, and no others.
    pub(super) fn is_whole(&self, total: u64) -> bool {
        match self.ranges.as_slice() {
            [] => total == 0,
            [one] => one.start == 0 && one.end == total,
            _ => false,
        }
    }

    /// Position behind the last octet that is there.
    pub(super) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn touching_ranges_are_one() {
        let mut spans = Spans::new(2);
        assert!(spans.is_whole(0) && !spans.is_whole(1));
        for (start, end) in [(4, 6), (0, 2), (2, 3), (3, 3), (3, 5)] {
            assert_eq!(spans.insert(start..end), Ok(()));
        }
        assert!(spans.is_whole(6) && !spans.is_whole(5) && !spans.is_whole(7));
        assert_eq!((spans.end(), spans.ranges.len()), (6, 1));
    }

    #[test]
    fn there_are_no_more_ranges_than_allowed() {
        let mut spans = Spans::new(2);
        assert_eq!(spans.insert(0..1), Ok(()));
        assert_eq!(spans.insert(2..3), Ok(()));
        assert_eq!(spans.insert(4..5), Err(TooMany));
        assert_eq!(spans.insert(3..5), Ok(()), "what touches needs no place");
        assert_eq!(spans.insert(u64::MAX - 1..u64::MAX), Err(TooMany));
        assert_eq!(spans.insert(0..u64::MAX), Ok(()));
        assert!(spans.is_whole(u64::MAX));
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_it_says(ranges in prop::collection::vec((0..64u64, 0..16u64), 0..40)) {
            let mut spans = Spans::new(64);
            let mut there = [false; 80];
            for (start, len) in ranges {
                prop_assert_eq!(spans.insert(start..start + len), Ok(()));
                there[usize::try_from(start).unwrap()..usize::try_from(start + len).unwrap()].fill(true);
                for (at, there) in (0u64..).zip(there) {
                    prop_assert_eq!(spans.ranges.iter().any(|range| range.contains(&at)), there);
                }
                prop_assert!(spans.ranges.windows(2).all(|two| two[0].end < two[1].start));
            }
        }
    }
}
