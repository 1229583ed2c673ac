//! What forge tells while it works. `xtask` renders events for a terminal, a log or JSON; forge
//! itself never prints.

use camino::Utf8PathBuf;

/// Something happened. Renderers may drop any event: no result depends on one.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// So much is to be fetched; the files follow, several at a time.
    FetchTotal {
        /// Files that the store lacks.
        files: usize,
        /// Their bytes in all.
        bytes: u64,
    },
    /// A file is being fetched; `offset` bytes of it were kept from an earlier try.
    FetchStarted {
        /// File name of the pin.
        file: String,
        /// Where it comes from.
        url: String,
        /// Bytes that are there already.
        offset: u64,
        /// Bytes in all.
        size: u64,
    },
    /// More of it has come.
    FetchProgress {
        /// File name of the pin.
        file: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        size: u64,
    },
    /// A try failed; another follows.
    FetchFailed {
        /// File name of the pin.
        file: String,
        /// Where it was asked for.
        url: String,
        /// What went wrong.
        why: String,
        /// Seconds until the same place is asked again; `None` when the next place is tried.
        again_in: Option<f64>,
    },
    /// It is in the store, and its bytes are the pinned ones.
    FetchFinished {
        /// File name of the pin.
        file: String,
        /// Bytes in all.
        size: u64,
    },
    /// A source archive is being unpacked.
    UnpackStarted {
        /// Name of the source.
        name: String,
    },
    /// More of it is unpacked.
    UnpackProgress {
        /// Name of the source.
        name: String,
        /// Entries so far.
        entries: u64,
    },
    /// Its tree is in the store, patched.
    UnpackFinished {
        /// Name of the source.
        name: String,
        /// Entries in all.
        entries: u64,
    },
    /// A step begins.
    StepStarted {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// Where its output is logged, if it has any.
        log: Option<Utf8PathBuf>,
    },
    /// A step said something.
    StepOutput {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// One line, without its end.
        line: String,
    },
    /// A step's output is in the store.
    StepFinished {
        /// Its recipe.
        recipe: String,
        /// Its architecture, if it has one.
        arch: Option<String>,
        /// Seconds that it took.
        seconds: f64,
    },
    /// Another process does what is wanted here; this one waits for it.
    Waiting {
        /// What the other one does.
        on: String,
    },
    /// Something a person should know.
    Note {
        /// A sentence.
        text: String,
    },
}
