//! A published file compared with the one that its source gives.

use plan::digest::Digest;

/// A published file next to the one that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sameness {
    /// Architecture.
    pub arch: String,
    /// Name in the image.
    pub file: String,
    /// What was published.
    pub published: Digest,
    /// What was built, if there is such a file.
    pub built: Option<Digest>,
    /// Where they differ.
    pub difference: Option<String>,
}

impl Sameness {
    /// Whether they are the same bytes.
    #[must_use]
    pub fn same(&self) -> bool {
        self.built == Some(self.published)
    }
}
