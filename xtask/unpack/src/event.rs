//! The progress events of unpacking.

/// A progress event. Renderers may drop any event, because no result depends on one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source archive is being unpacked.
    Started {
        /// Name of the source.
        name: String,
    },
    /// Unpacking makes progress.
    Progress {
        /// Name of the source.
        name: String,
        /// Entries so far.
        entries: u64,
    },
    /// The patched tree is in the store.
    Finished {
        /// Name of the source.
        name: String,
        /// Number of entries.
        entries: u64,
    },
    /// Another process already unpacks this archive, so this one waits.
    Waiting {
        /// File name of the archive.
        file: String,
    },
}
