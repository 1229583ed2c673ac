//! What a test printed held against its golden output: equal, or the difference as a patch.

use std::time::Duration;

use similar::TextDiff;

use super::filter::Filter;

/// A difference may be shown roughly, but not after minutes: a guest decides how much it prints.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// What a test printed as it is compared and kept: without carriage returns, filtered line by line.
#[must_use]
pub fn filtered(printed: &[u8], filters: &[Filter]) -> String {
    let text = String::from_utf8_lossy(printed).replace('\r', "");
    if filters.is_empty() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
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

/// The difference as a unified diff, named as `patch -p0` takes it; `None` where there is none.
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
        difference("a.good", golden, &filtered(printed, &filters))
    }

    #[test]
    fn carriage_returns_do_not_count_and_blanks_at_the_end_do() {
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
    fn a_difference_is_a_patch_for_the_golden_file() {
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
