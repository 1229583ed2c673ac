//! Extracts the TOML of a script's `#:` lines, and maps locations of errors back to the script.

use std::ops::Range;

use camino::Utf8Path;
use plan::diagnostic::Diagnostic;

/// An error with its location in the TOML.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

impl Fault {
    /// As it is shown to a person.
    pub(super) fn shown(self, path: &Utf8Path, text: &str, spans: &Spans) -> Diagnostic {
        Diagnostic {
            path: path.to_owned(),
            text: text.to_owned(),
            span: spans.to_script(self.span),
            title: self.title,
            label: self.label,
            help: self.help,
        }
    }
}

/// Maps each line of the extracted TOML to the script.
#[derive(Debug)]
pub(super) struct Spans {
    /// Start in the TOML, start in the script, length.
    lines: Vec<(usize, usize, usize)>,
}

/// The prefix of a header line.
const MARK: &str = "#:";

/// Extracts the TOML and the map.
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

/// The places in a text that is TOML as a whole.
pub(super) fn whole(toml: &str) -> Spans {
    let mut start = 0;
    let lines = toml.split_inclusive('\n').map(|line| {
        let place = (start, start, line.len());
        start += line.len();
        place
    });
    Spans {
        lines: lines.collect(),
    }
}

impl Spans {
    /// The location in the script. It never leaves the header line in which it starts.
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
