//! Reads the members of archives in memory: cpio (`newc`), tar, and `ar` libraries.
//!
//! Used by `compare` and `scan` to name a member and its properties. Reads only complete archives.
//! `unpack` handles untrusted ones.

mod ar;
mod newc;
mod tarball;

/// The members of an archive.
pub(crate) struct Archive<'a> {
    /// The members in the order of the file.
    pub(crate) members: Vec<Member<'a>>,
    /// The bytes after the last member.
    pub(crate) rest: &'a [u8],
}

/// One member.
pub(crate) struct Member<'a> {
    /// Its path.
    pub(crate) name: String,
    /// Its header fields except the size, which follows from the content.
    pub(crate) fields: Vec<Field>,
    /// Header fields that depend on other members, such as a number or an index.
    pub(crate) derived: Vec<Field>,
    /// Its content.
    pub(crate) data: &'a [u8],
    /// Offset of the content in the file.
    pub(crate) offset: usize,
    /// Whether the content is derived from other members.
    pub(crate) is_index: bool,
}

/// Name and value of a header field.
pub(crate) type Field = (&'static str, String);

impl<'a> Archive<'a> {
    /// Parses an archive. `None` if the format is unknown or the archive is malformed.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        newc::parse(bytes)
            .or_else(|| ar::parse(bytes))
            .or_else(|| tarball::parse(bytes))
    }

    /// The member that contains a byte of the file, and the offset in the member.
    pub(crate) fn member_at(&self, offset: usize) -> Option<(&Member<'a>, usize)> {
        self.members.iter().find_map(|member| {
            let inside = offset.checked_sub(member.offset)?;
            (inside < member.data.len()).then_some((member, inside))
        })
    }
}
