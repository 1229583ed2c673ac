//! Archives held in memory, read for their members: cpio (`newc`), tar, and `ar`, as libraries are.
//!
//! Used by `compare` and `scan`, which want to name a member and what is said of it. Reads only what
//! is whole; taking archives from strangers apart is `unpack`'s business.

mod ar;
mod newc;
mod tarball;

/// An archive's members in their order.
pub(crate) struct Archive<'a> {
    /// In the order of the file.
    pub(crate) members: Vec<Member<'a>>,
    /// What follows the last one.
    pub(crate) rest: &'a [u8],
}

/// One member.
pub(crate) struct Member<'a> {
    /// Its path.
    pub(crate) name: String,
    /// What the archive says of it, but for its size: its content explains that.
    pub(crate) fields: Vec<Field>,
    /// What follows from other members, such as a number or an index.
    pub(crate) derived: Vec<Field>,
    /// Its content.
    pub(crate) data: &'a [u8],
    /// Where that is in the file.
    pub(crate) offset: usize,
    /// Its content follows from other members.
    pub(crate) is_index: bool,
}

/// Something that an archive says of a member, and how it reads.
pub(crate) type Field = (&'static str, String);

impl<'a> Archive<'a> {
    /// `None` if it is not an archive of these kinds, or a broken one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        newc::parse(bytes)
            .or_else(|| ar::parse(bytes))
            .or_else(|| tarball::parse(bytes))
    }

    /// The member that holds a byte of the file, and the byte's place in it.
    pub(crate) fn member_at(&self, offset: usize) -> Option<(&Member<'a>, usize)> {
        self.members.iter().find_map(|member| {
            let inside = offset.checked_sub(member.offset)?;
            (inside < member.data.len()).then_some((member, inside))
        })
    }
}
