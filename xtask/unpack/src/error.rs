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
    /// The archive does not match the pin.
    #[error("digest mismatch of `{file}`: expected {expected}, found {got}")]
    OtherArchive {
        /// File name of the pin.
        file: String,
        /// The expected digest.
        expected: Digest,
        /// The actual digest.
        got: Digest,
    },
    /// The archive is damaged or of an unknown format.
    #[error("failed to unpack `{file}`: {source}")]
    Broken {
        /// File name of the archive.
        file: String,
        /// The cause.
        source: io::Error,
    },
    /// The archive does not contain the inner archive.
    #[error("`{file}` does not contain `{inner}`")]
    NoInner {
        /// File name of the archive.
        file: String,
        /// The missing file.
        inner: String,
    },
    /// An entry that no source needs.
    #[error("`{file}`: entry `{entry}` {why}")]
    Refused {
        /// File name of the archive.
        file: String,
        /// Name of the entry, with control characters escaped.
        entry: String,
        /// The problem.
        why: Refusal,
    },
    /// The archive exceeds a limit.
    #[error("`{file}` {why}")]
    Excess {
        /// File name of the archive.
        file: String,
        /// The limit.
        why: Excess,
    },
    /// A patch does not apply.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// The problem of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is empty.
    #[error("has no name")]
    NoName,
    /// The name is not UTF-8.
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    /// `/etc/passwd`
    #[error("has an absolute name")]
    Absolute,
    /// `../x`
    #[error("has `..` in its name")]
    Parent,
    /// The name contains control characters.
    #[error("has a control character in its name")]
    Control,
    /// The name is longer than file systems support.
    #[error("has a name of more than {0} bytes")]
    TooLong(usize),
    /// Stripping leaves nothing of the name.
    #[error("is outside the leading directories that are stripped")]
    OutsideStrip,
    /// The name occurs twice.
    #[error("occurs twice")]
    Duplicate,
    /// The name occurs twice with different case.
    #[error("differs from `{0}` only in case")]
    FoldedDuplicate(String),
    /// A parent of the entry is a file.
    #[error("is below the file `{0}`")]
    BelowFile(String),
    /// A parent of the entry is a link.
    #[error("is below the symbolic link `{0}`")]
    BelowLink(String),
    /// A symbolic link leads out of the tree.
    #[error("is a symbolic link to `{0}`, outside the archive")]
    LinkOutside(String),
    /// Symbolic links form a loop.
    #[error("is a symbolic link to itself")]
    LinkLoop,
    /// The target of a hard link does not exist.
    #[error("is a hard link to `{0}`, which is not an earlier file")]
    HardLink(String),
    /// A device, pipe, sparse file or the like.
    #[error("is {0}: only files, directories and links are supported")]
    Kind(String),
    /// Two different sizes, so that programs would read the archive differently.
    #[error("has two sizes, {header} and {extension}")]
    TwoSizes {
        /// The size in the header.
        header: u64,
        /// The size in the extension.
        extension: u64,
    },
    /// Invalid extended headers.
    #[error("has extended headers that are too long, repeated or without an entry")]
    Extension,
    /// A time that the system cannot represent.
    #[error("has an impossible modification time")]
    Time,
}

/// A limit that an archive exceeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// The number of entries.
    #[error("has more than {0} entries")]
    Entries(u64),
    /// The unpacked size.
    #[error("unpacks to more than {0} bytes")]
    Bytes(u64),
    /// The ratio of unpacked to packed size.
    #[error("unpacks to more than {0} times its size")]
    Ratio(u64),
    /// Data after the end.
    #[error("has data after its end")]
    Trailing,
}

/// Why a patch does not apply.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The patch is not a unified diff.
    #[error("`{patch}`: {why}")]
    Malformed {
        /// The patch.
        patch: Utf8PathBuf,
        /// The problem.
        why: String,
    },
    /// The file does not match the patch.
    #[error("`{patch}`: `{file}` {why}")]
    File {
        /// The patch.
        patch: Utf8PathBuf,
        /// The file.
        file: String,
        /// The problem.
        why: String,
    },
    /// A hunk does not match.
    #[error("`{patch}`: hunk {} of `{file}` does not apply: {why}", why.hunk)]
    Hunk {
        /// The patch.
        patch: Utf8PathBuf,
        /// The file.
        file: String,
        /// The mismatch.
        why: Box<Mismatch>,
    },
}

/// The mismatch of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Number of the hunk in the file's part, from 1.
    pub hunk: usize,
    /// First line of the file that differs, from 1.
    pub line: usize,
    /// The line that the patch expects.
    pub expected: String,
    /// The actual line, if the file is that long.
    pub found: Option<String>,
    /// The line at which the hunk would match.
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
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Patch(error) => error.hint(),
            _ => None,
        }
    }

    /// Distinguishes a full disk from other failures to write.
    pub(crate) fn in_store(self, root: &Utf8Path) -> Self {
        match self {
            Self::Write(error) => Self::Store(StoreError::io(root, error)),
            other => other,
        }
    }
}

impl PatchError {
    /// The command that fixes the error, if one exists.
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
