//! Compares the output of a test with its golden output. The difference is a patch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use host::interrupt;
use host::test_time::{Deadline, TestClock};
use host::wait::{self, GaveUp, Limit, NotReceived};
use similar::TextDiff;

use super::filter::Filter;

/// Time limit of the diff algorithm, because a guest decides how much it prints. After it, the diff
/// is approximate.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// Why a text was not filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterEnd {
    /// The filters took too long.
    #[error("the filters took too long")]
    Late,
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// The filters panicked, or no thread could be started.
    #[error("failed to apply the filters")]
    Broken,
}

/// Normalises the output of a test for comparison: removes carriage returns and applies the filters
/// line by line.
///
/// A single match of a regular expression cannot be interrupted and may take minutes. It therefore
/// runs on its own thread. At the limit, which is in test time, or at an interruption the caller abandons
/// the thread, which stops after its current line.
pub fn filtered(printed: &[u8], filters: &[Filter], limit: Duration) -> Result<String, FilterEnd> {
    filtered_within(
        printed,
        filters,
        &TestClock::of_own_threads().deadline(limit),
    )
}

fn filtered_within(
    printed: &[u8],
    filters: &[Filter],
    deadline: &Deadline,
) -> Result<String, FilterEnd> {
    let text = String::from_utf8_lossy(printed).replace('\r', "");
    if filters.is_empty() {
        return Ok(text);
    }
    let (filters, unwanted) = (filters.to_vec(), Arc::new(AtomicBool::new(false)));
    let (to, result) = sync_channel(1);
    let is_unwanted = Arc::clone(&unwanted);
    std::thread::Builder::new()
        .name("filter".to_owned())
        .spawn(move || {
            let text = apply(&text, &filters, || is_unwanted.load(Ordering::SeqCst));
            // The caller may have given up.
            let _ = to.send(text);
        })
        .map_err(|_| FilterEnd::Broken)?;
    let limit = Limit::while_left(deadline).or_if(&interrupt::is_pending);
    let end = match wait::receive(&result, limit) {
        Ok(text) => return Ok(text),
        Err(NotReceived::Closed) => FilterEnd::Broken,
        Err(NotReceived::GaveUp(GaveUp::Cancelled)) => FilterEnd::Interrupted,
        Err(NotReceived::GaveUp(GaveUp::Deadline)) => FilterEnd::Late,
    };
    unwanted.store(true, Ordering::SeqCst);
    Err(end)
}

fn apply(text: &str, filters: &[Filter], is_unwanted: impl Fn() -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if is_unwanted() {
            break;
        }
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        let line = filters
            .iter()
            .fold(line.to_owned(), |line, filter| filter.apply(&line));
        out.push_str(&line);
        out.push_str(end);
    }
    out
}

/// The difference as a unified diff for `patch -p0`, or `None` if the texts are equal.
#[must_use]
pub fn difference(name: &str, golden: &str, printed: &str) -> Option<String> {
    let golden = golden.replace('\r', "");
    if golden == printed {
        return None;
    }
    let mut config = TextDiff::configure();
    config.timeout(DIFF_TIME);
    let diff = config.diff_lines(golden.as_str(), printed);
    Some(diff.unified_diff().header(name, "printed").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference_of(golden: &str, printed: &[u8], filters: &[&str]) -> Option<String> {
        let filters: Vec<Filter> = filters.iter().map(|text| text.parse().unwrap()).collect();
        let printed = filtered(printed, &filters, Duration::from_secs(60)).unwrap();
        difference("a.good", golden, &printed)
    }

    #[test]
    fn filter_that_takes_long_ends_at_its_deadline() {
        let filters = ["s/((a{0,90}){0,90}){0,3}c/Y/".parse().unwrap()];
        let printed = b"a".repeat(64 << 10);
        let late = filtered(&printed, &filters, Duration::from_millis(50));
        assert_eq!(late, Err(FilterEnd::Late));
    }

    #[test]
    fn carriage_returns_are_ignored_blanks_are_not() {
        assert_eq!(difference_of("one\ntwo\n", b"one\r\ntwo\r\n", &[]), None);
        assert_eq!(difference_of("one\r\n", b"one\n", &[]), None);
        assert!(difference_of("one\n", b"one \n", &[]).is_some());
        assert!(difference_of("one\n", b"one", &[]).is_some());
        assert_eq!(difference_of("", b"", &[]), None);
    }

    #[test]
    fn filters_see_each_line_in_their_order() {
        let filters = ["s/[0-9]+/N/g", "s/^N /number /"];
        assert_eq!(
            difference_of("number N\nend\n", b"12 7\nend\n", &filters),
            None
        );
        assert_eq!(difference_of("N", b"5", &filters), None);
    }

    #[test]
    fn difference_patches_the_golden_file() {
        let diff = difference_of("a\nb\nc\n", b"a\nB\nc\nd", &[]).unwrap();
        insta::assert_snapshot!(diff, @r"
        --- a.good
        +++ printed
        @@ -1,3 +1,4 @@
         a
        -b
        +B
         c
        +d
        \ No newline at end of file
        ");
    }
}
