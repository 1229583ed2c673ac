//! The progress events of downloads.

/// A progress event. Renderers may drop any event, because no result depends on one.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The total of the downloads that follow, several at a time.
    Total {
        /// Number of missing files.
        files: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// A download starts. `offset` bytes are kept from an earlier attempt.
    Started {
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
    Progress {
        /// File name of the source.
        file: String,
        /// Bytes so far.
        done: u64,
        /// Total size in bytes.
        size: u64,
    },
    /// An attempt failed and another follows.
    Failed {
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
    Finished {
        /// File name of the source.
        file: String,
        /// Size in bytes.
        size: u64,
    },
    /// Another process already downloads this file, so this one waits.
    Waiting {
        /// File name of the source.
        file: String,
    },
}
