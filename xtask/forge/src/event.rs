//! The progress events of this crate. `xtask` renders them for a terminal, a log or JSON. This
//! crate never prints.

use camino::Utf8PathBuf;

/// A progress event. Renderers may drop any event, because no result depends on one.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The total of the downloads that follow, several at a time.
    FetchTotal {
        /// Number of missing files.
        files: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// A download starts. `offset` bytes are kept from an earlier attempt.
    FetchStarted {
        /// File name of the source.
        file: String,
        /// Where it comes from.
        url: String,
        /// Number of bytes that already exist.
        offset: u64,
        /// Total size in bytes.
        size: u64,
    },
    /// A download makes progress.
    FetchProgress {
        /// File name of the source.
        file: String,
        /// Bytes so far.
        done: u64,
        /// Total size in bytes.
        size: u64,
    },
    /// An attempt failed and another follows.
    FetchFailed {
        /// File name of the source.
        file: String,
        /// The URL of the attempt.
        url: String,
        /// The error.
        why: String,
        /// Seconds until the same URL is tried again, or `None` if the next URL is tried.
        again_in: Option<f64>,
    },
    /// A file is in the store and matches its pin.
    FetchFinished {
        /// File name of the source.
        file: String,
        /// Size in bytes.
        size: u64,
    },
    /// A source archive is being unpacked.
    UnpackStarted {
        /// Name of the source.
        name: String,
    },
    /// Unpacking makes progress.
    UnpackProgress {
        /// Name of the source.
        name: String,
        /// Entries so far.
        entries: u64,
    },
    /// The patched tree is in the store.
    UnpackFinished {
        /// Name of the source.
        name: String,
        /// Number of entries.
        entries: u64,
    },
    /// A step starts.
    StepStarted {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// The file of its log, if it has one.
        log: Option<Utf8PathBuf>,
    },
    /// A step printed a line.
    StepOutput {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// The line, without its newline.
        line: String,
    },
    /// The output of a step is in the store.
    StepFinished {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// Duration in seconds.
        seconds: f64,
    },
    /// Another process already does this work, so this one waits.
    Waiting {
        /// What the other process does.
        on: String,
    },
    /// A note for the user.
    Note {
        /// The text, a sentence.
        text: String,
    },
}
