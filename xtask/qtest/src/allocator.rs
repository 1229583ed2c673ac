//! Allocates ranges of guest memory, and takes them back. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

/// The memory of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocator {
    /// Free ranges by their start: the address behind each. No two of them touch.
    free: BTreeMap<u64, u64>,
    /// Allocated ranges in the same form.
    used: BTreeMap<u64, u64>,
}

impl Allocator {
    /// All of this range is free.
    #[must_use]
    pub fn new(range: Range<u64>) -> Self {
        Self {
            free: BTreeMap::from([(range.start, range.end)]),
            used: BTreeMap::new(),
        }
    }

    /// Takes the first free range of this size and alignment. `None` if it does not fit.
    pub fn allocate(&mut self, size: u64, align: u64) -> Option<u64> {
        let size = size.max(1);
        let (start, at, end) = self.free.iter().find_map(|(&start, &end)| {
            let at = start.checked_next_multiple_of(align.max(1))?;
            (at.checked_add(size)? <= end).then_some((start, at, end))
        })?;
        self.free.remove(&start);
        self.insert_free(start, at);
        self.insert_free(at + size, end);
        self.used.insert(at, at + size);
        Some(at)
    }

    /// Frees an allocated range by its start. False if it is not allocated.
    pub fn release(&mut self, at: u64) -> bool {
        let Some(end) = self.used.remove(&at) else {
            return false;
        };
        let (mut start, mut end) = (at, end);
        if let Some((&before, &until)) = self.free.range(..start).next_back()
            && until == start
        {
            self.free.remove(&before);
            start = before;
        }
        if let Some(until) = self.free.remove(&end) {
            end = until;
        }
        self.insert_free(start, end);
        true
    }

    fn insert_free(&mut self, start: u64, end: u64) {
        if start < end {
            self.free.insert(start, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_aligned_and_disjoint() {
        let mut memory = Allocator::new(0x1010..0x4000);
        assert_eq!(memory.allocate(0x10, 1), Some(0x1010));
        assert_eq!(memory.allocate(0x1000, 0x1000), Some(0x2000));
        // The gap in front of an aligned range is used later.
        assert_eq!(memory.allocate(0x20, 0x10), Some(0x1020));
        assert_eq!(memory.allocate(0x1001, 1), None);
        assert_eq!(memory.allocate(0x1000, 1), Some(0x3000));
        assert_eq!(memory.allocate(u64::MAX, 1), None);
        assert_eq!(memory.allocate(1, u64::MAX), None);
    }

    #[test]
    fn released_ranges_are_joined_and_used_again() {
        let whole = Allocator::new(0..0x3000);
        let mut memory = whole.clone();
        let parts: Vec<_> = (0..3).filter_map(|_| memory.allocate(0x1000, 1)).collect();
        assert_eq!(parts, [0, 0x1000, 0x2000]);
        assert!(memory.release(0));
        assert!(memory.release(0x2000));
        assert_eq!(memory.allocate(0x1001, 1), None);
        assert!(memory.release(0x1000));
        assert_eq!(memory, whole);
        assert_eq!(memory.allocate(0x3000, 1), Some(0));
    }

    #[test]
    fn only_allocated_range_is_released() {
        let mut memory = Allocator::new(0..0x1000);
        let at = memory.allocate(0x10, 1).unwrap();
        assert!(!memory.release(at + 1));
        assert!(memory.release(at));
        assert!(!memory.release(at));
    }

    #[test]
    fn empty_request_has_an_address_of_its_own() {
        let mut memory = Allocator::new(0..0x1000);
        assert_ne!(memory.allocate(0, 1), memory.allocate(0, 1));
    }
}
