//! The TOML of a script's `#:` lines, faults in it, and where they are in the script.

use std::ops::Range;

/// What is wrong, with its place in the TOML.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

/// Where each line of the extracted TOML stands in the script.
#[derive(Debug)]
pub(super) struct Spans {
    /// Start in the TOML, start in the script, length.
    lines: Vec<(usize, usize, usize)>,
}

/// What starts a header line.
const MARK: &str = "#:";

/// The TOML, and the way back.
pub(super) fn extract(script: &str) -> (String, Spans) {
    let mut toml = String::new();
    let mut lines = Vec::new();
    let mut start = 0;
    for line in script.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(MARK) {
            let rest = rest.trim_end_matches(['\n', '\r']);
            lines.push((toml.len(), start + MARK.len(), rest.len()));
            toml.push_str(rest);
            toml.push('\n');
        }
        start += line.len();
    }
    (toml, Spans { lines })
}

impl Spans {
    /// The place in the script; it never leaves the header line in which it starts.
    pub(super) fn to_script(&self, span: Range<usize>) -> Range<usize> {
        let line = self
            .lines
            .iter()
            .rev()
            .find(|(toml, ..)| *toml <= span.start);
        let Some(&(toml, script, length)) = line else {
            return 0..0;
        };
        let start = (span.start - toml).min(length);
        let end = (span.end.max(span.start) - toml).min(length);
        script + start..script + end.max(start)
    }
}
