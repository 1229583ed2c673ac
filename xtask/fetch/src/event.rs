//! The progress events of downloads.

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// The same URL is tried again.
    Retry {
        /// Seconds until then.
        seconds: f64,
    },
    /// The next URL is tried.
    NextUrl,
    /// No URL is left, and the error follows.
    GiveUp,
}

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
    /// An attempt failed.
    Failed {
        /// File name of the source.
        file: String,
        /// The URL of the attempt.
        url: String,
        /// The error.
        why: String,
        /// What follows.
        next: Next,
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
