//! The differ: the first difference between two files or trees, with its place in terms a person
//! can act on (section and symbol, archive entry, config line) instead of a byte offset.
//!
//! Used when a rebuilt image has other bytes than it should have: `verify-release`, `ci`, tests.
//! It does not list every difference and takes no notice of time stamps outside of archives, which
//! no digest covers. A stripped kernel is taken apart with the help of the `vmlinux` next to it.

use camino::{Utf8Path, Utf8PathBuf};

use crate::scan::Tokens;

mod archive;
mod bytes;
mod elf;
mod leak;
mod show;
mod symbols;
mod tree;

pub use leak::Leak;

/// The kernel's own name for itself with all its symbols.
const UNSTRIPPED: &str = "vmlinux";

/// Where two trees, or two files, first differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path below the two roots; empty where the roots are files themselves.
    pub path: Utf8PathBuf,
    /// Where in the file.
    pub place: Position,
}

/// Where in a file the difference is, and what stands there on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Only this side has the file.
    Only(Side),
    /// A property other than the content, such as `mode`.
    Property {
        /// What it is called.
        name: &'static str,
        /// On the first side.
        first: String,
        /// On the second side.
        second: String,
    },
    /// A line of a text, from 1; empty where one text ends before it.
    Line {
        /// Line number, from 1.
        number: usize,
        /// The first side's line.
        first: String,
        /// The second side's line.
        second: String,
    },
    /// A section of an ELF file.
    Section {
        /// Its name.
        name: String,
        /// Bytes from its start.
        offset: usize,
        /// The symbol that covers the place, where the file has a symbol table.
        symbol: Option<String>,
        /// The first side's bytes.
        first: String,
        /// The second side's bytes.
        second: String,
        /// Other sections that differ, which may follow from this one.
        also: Vec<String>,
    },
    /// An entry that one side's archive lacks, or holds at another place in the order.
    Entry {
        /// Name in the archive.
        entry: String,
        /// What is different about it.
        place: Box<Position>,
    },
    /// A byte that no structure explains.
    Byte {
        /// Bytes from the start.
        offset: usize,
        /// The first side's bytes from there.
        first: String,
        /// The second side's bytes from there.
        second: String,
    },
}

/// One of the two things compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one named first.
    First,
    /// The one named second.
    Second,
}

/// A file or directory that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Reading failed; the source names the path.
    #[error("failed to compare `{path}`")]
    Read {
        /// What was read.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Neither file, directory nor link, or a name that is not UTF-8.
    #[error("unsupported entry `{0}`: expected a file, directory or link with a UTF-8 name")]
    Strange(Utf8PathBuf),
}

impl CompareError {
    /// The command that fixes it: there is none.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        None
    }
}

impl Difference {
    /// What kind of leak it looks like, if it can be recognised; `machine` knows this one by name.
    #[must_use]
    pub fn leak(&self, machine: &Tokens) -> Option<Leak> {
        leak::of(&self.place, machine)
    }

    /// The whole line: where, what, and what it looks like on a machine with these names.
    #[must_use]
    pub fn explain(&self, machine: &Tokens) -> String {
        show::explained(self, self.leak(machine))
    }
}

/// Compares two files, or two trees in the order of their paths; `None` means equal.
///
/// Of a file counts: its kind, its permission bits, the target of a link, the content.
pub fn first_difference(
    first: &Utf8Path,
    second: &Utf8Path,
) -> Result<Option<Difference>, CompareError> {
    tree::compare_at(first, second, Utf8Path::new(""))
}

/// Compares two files; `unstripped` is what one of them was stripped from, and names its symbols.
pub fn first_difference_named(
    first: &Utf8Path,
    second: &Utf8Path,
    unstripped: &Utf8Path,
) -> Result<Option<Difference>, CompareError> {
    let mut found = first_difference(first, second)?;
    if let Some(difference) = &mut found
        && symbols::may_name(&difference.place)
    {
        let (one, other) = (tree::read(first)?, tree::read(second)?);
        symbols::name(
            &mut difference.place,
            &one,
            &other,
            &tree::read(unstripped)?,
        );
    }
    Ok(found)
}

/// Compares two contents in memory the way [`first_difference`] compares files.
#[must_use]
pub fn first_difference_in(first: &[u8], second: &[u8]) -> Option<Position> {
    if first == second {
        return None;
    }
    elf::difference(first, second)
        .or_else(|| archive::difference(first, second))
        .or_else(|| bytes::line_difference(first, second))
        .or_else(|| bytes::byte_difference(first, second))
}

#[cfg(test)]
mod tests;
