//! The total progress of several downloads: a line below their bars, or occasional plain lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use xtask::render::quantity;

/// Interval between plain lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// The sum over all files.
pub(super) struct Total {
    pub(super) bar: ProgressBar,
    files: usize,
    bytes: u64,
    finished: usize,
    done: BTreeMap<String, u64>,
    reported: Instant,
}

impl Total {
    /// Creates a total without progress.
    pub(super) fn new(bar: ProgressBar, files: usize, bytes: u64) -> Self {
        bar.set_length(bytes);
        let total = Self {
            bar,
            files,
            bytes,
            finished: 0,
            done: BTreeMap::new(),
            reported: Instant::now(),
        };
        total.bar.set_message(total.count());
        total
    }

    /// Records the progress of `file`.
    pub(super) fn note(&mut self, file: &str, done: u64) {
        self.done.insert(file.to_owned(), done);
        self.bar.set_position(self.sum());
    }

    /// Records a finished file. Returns whether it was the last one.
    pub(super) fn finish(&mut self, file: &str, size: u64) -> bool {
        self.finished += 1;
        self.note(file, size);
        self.bar.set_message(self.count());
        self.finished == self.files
    }

    /// The next plain line, if the interval has passed.
    pub(super) fn news(&mut self) -> Option<String> {
        if self.reported.elapsed() < INTERVAL {
            return None;
        }
        self.reported = Instant::now();
        Some(self.line())
    }

    fn line(&self) -> String {
        let (done, bytes) = (quantity::bytes(self.sum()), quantity::bytes(self.bytes));
        format!("{done} of {bytes}, {}", self.count())
    }

    fn count(&self) -> String {
        format!("{} of {} files", self.finished, self.files)
    }

    fn sum(&self) -> u64 {
        self.done.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarted_download_counts_once() {
        let mut total = Total::new(ProgressBar::hidden(), 2, 3000);
        total.note("a", 900);
        total.note("b", 500);
        total.note("a", 0);
        assert_eq!(total.line(), "500 B of 3.0 kB, 0 of 2 files");
        assert!(!total.finish("a", 1000));
        assert!(total.finish("b", 2000));
        assert_eq!(total.line(), "3.0 kB of 3.0 kB, 2 of 2 files");
    }
}
