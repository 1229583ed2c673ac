//! The progress events of this crate. `xtask` renders them for a terminal, a log or JSON. This
//! crate never prints.

use camino::Utf8PathBuf;

/// A progress event. Renderers may drop any event, because no result depends on one.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A download.
    Fetch(fetch::Event),
    /// The unpacking of a source.
    Unpack(unpack::Event),
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

impl From<fetch::Event> for Event {
    fn from(event: fetch::Event) -> Self {
        Self::Fetch(event)
    }
}

impl From<unpack::Event> for Event {
    fn from(event: unpack::Event) -> Self {
        Self::Unpack(event)
    }
}
