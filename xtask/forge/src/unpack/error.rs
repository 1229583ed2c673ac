//! Why an archive was not unpacked or a patch not applied.

use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};
use plan::digest::Digest;

use store::StoreError;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tree could not be written.
    #[error(transparent)]
    Write(io::Error),
    /// The archive is another one than the source's.
    #[error("digest mismatch of `{file}`: expected {expected}, found {got}")]
    OtherArchive {
        /// File name of the pin.
        file: String,
        /// The pin.
        expected: Digest,
        /// The archive.
        got: Digest,
    },
    /// The archive is damaged, or of a kind that is not known.
    #[error("failed to unpack `{file}`: {source}")]
    Broken {
        /// File name of the archive.
        file: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The archive within is missing.
    #[error("`{file}` does not contain `{inner}`")]
    NoInner {
        /// File name of the archive.
        file: String,
        /// What was looked for.
        inner: String,
    },
    /// The archive holds what no source has a use for.
    #[error("`{file}`: entry `{entry}` {why}")]
    Refused {
        /// File name of the archive.
        file: String,
        /// Name of the entry, with control characters escaped.
        entry: String,
        /// What is wrong with it.
        why: Refusal,
    },
    /// The archive as a whole breaks a limit.
    #[error("`{file}` {why}")]
    Excess {
        /// File name of the archive.
        file: String,
        /// Which limit.
        why: Excess,
    },
    /// A patch does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No name at all.
    #[error("has no name")]
    NoName,
    /// Names are UTF-8.
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    /// `/etc/passwd`
    #[error("has an absolute name")]
    Absolute,
    /// `../x`
    #[error("has `..` in its name")]
    Parent,
    /// Control characters.
    #[error("has a control character in its name")]
    Control,
    /// More than any file system takes.
    #[error("has a name of more than {0} bytes")]
    TooLong(usize),
    /// Nothing of the name is left.
    #[error("is outside the leading directories that are stripped")]
    OutsideStrip,
    /// The name was there before.
    #[error("occurs twice")]
    Duplicate,
    /// The name was there before, in other letters.
    #[error("differs from `{0}` only in case")]
    FoldedDuplicate(String),
    /// A file where a directory is needed.
    #[error("is below the file `{0}`")]
    BelowFile(String),
    /// A link where a directory is needed.
    #[error("is below the symbolic link `{0}`")]
    BelowLink(String),
    /// A symbolic link out of the tree.
    #[error("is a symbolic link to `{0}`, outside the archive")]
    LinkOutside(String),
    /// Symbolic links in a circle.
    #[error("is a symbolic link to itself")]
    LinkLoop,
    /// A hard link to what is not there.
    #[error("is a hard link to `{0}`, which is not an earlier file")]
    HardLink(String),
    /// Devices, pipes, sparse files and the like.
    #[error("is {0}: only files, directories and links are supported")]
    Kind(String),
    /// Two sizes: programs would read the archive differently.
    #[error("has two sizes, {header} and {extension}")]
    TwoSizes {
        /// In the header.
        header: u64,
        /// In the extension.
        extension: u64,
    },
    /// Extensions that make no sense.
    #[error("has extended headers that are too long, repeated or without an entry")]
    Extension,
    /// A time that the system cannot express.
    #[error("has an impossible modification time")]
    Time,
}

/// A limit that an archive breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Number of entries.
    #[error("has more than {0} entries")]
    Entries(u64),
    /// Unpacked size.
    #[error("unpacks to more than {0} bytes")]
    Bytes(u64),
    /// Unpacked size by packed size.
    #[error("unpacks to more than {0} times its size")]
    Ratio(u64),
    /// Something after the end.
    #[error("has data after its end")]
    Trailing,
}

/// Why a patch does not apply.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// No unified diff.
    #[error("`{patch}`: {why}")]
    Malformed {
        /// The patch.
        patch: Utf8PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is not as the patch expects.
    #[error("`{patch}`: `{file}` {why}")]
    File {
        /// The patch.
        patch: Utf8PathBuf,
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A hunk does not match at its place.
    #[error("`{patch}`: hunk {} of `{file}` does not apply: {why}", why.hunk)]
    Hunk {
        /// The patch.
        patch: Utf8PathBuf,
        /// The file.
        file: String,
        /// Where and how.
        why: Box<Mismatch>,
    },
}

/// Where a hunk does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Number of the hunk in the file's part, from 1.
    pub hunk: usize,
    /// First line of the file that differs, from 1.
    pub line: usize,
    /// What the patch expects there.
    pub expected: String,
    /// What is there, if the file is that long.
    pub found: Option<String>,
    /// At which line the hunk would match.
    pub elsewhere: Option<usize>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected `{}` in line {}, ", self.expected, self.line)?;
        match &self.found {
            Some(found) => write!(f, "found `{found}`"),
            None => write!(f, "the file ends before"),
        }
    }
}

impl UnpackError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Patch(error) => error.hint(),
            _ => None,
        }
    }

    /// Tells a full disk from other failures to write.
    pub(super) fn in_store(self, root: &Utf8Path) -> Self {
        match self {
            Self::Write(error) => Self::Store(StoreError::io(root, error)),
            other => other,
        }
    }
}

impl PatchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Hunk { patch, why, .. } => why.elsewhere.map(|line| {
                format!(
                    "the hunk matches at line {line}: regenerate `{patch}`, it must apply exactly"
                )
            }),
            Self::Malformed { .. } | Self::File { .. } => None,
        }
    }
}
