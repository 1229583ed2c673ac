//! Finds the first difference between two files or trees, with its location in terms that help to
//! fix it (section and symbol, archive entry, config line) instead of a byte offset.
//!
//! `verify-release`, `ci` and tests use it when a rebuilt image differs. It does not list every
//! difference, and ignores time stamps outside archives, which no digest covers. The symbols of a
//! stripped kernel come from the `vmlinux` next to it.

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

/// The name of the kernel with all symbols.
const UNSTRIPPED: &str = "vmlinux";

/// The first difference between two trees or files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path below the two roots, empty if the roots are files.
    pub path: Utf8PathBuf,
    /// The location in the file.
    pub place: Position,
}

/// The location of a difference in a file, and the content of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Only this side has the file.
    Only(Side),
    /// A property other than the content, such as `mode`.
    Property {
        /// The property's name.
        name: &'static str,
        /// The value of the first side.
        first: String,
        /// The value of the second side.
        second: String,
    },
    /// A line of a text, empty if one text ends before it.
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
        /// The symbol at that offset, if the file has a symbol table.
        symbol: Option<String>,
        /// The first side's bytes.
        first: String,
        /// The second side's bytes.
        second: String,
        /// Other sections that differ, possibly as a consequence.
        also: Vec<String>,
    },
    /// An archive entry that only one side has, or that is at another position.
    Entry {
        /// Name in the archive.
        entry: String,
        /// What differs in it.
        place: Box<Position>,
    },
    /// A byte in a file without a known structure.
    Byte {
        /// Bytes from the start.
        offset: usize,
        /// The first side's bytes from there.
        first: String,
        /// The second side's bytes from there.
        second: String,
    },
}

/// One side of the comparison.
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
    /// Reading failed. The source names the path.
    #[error("failed to compare `{path}`")]
    Read {
        /// The file or directory.
        path: Utf8PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Neither file, directory nor link, or a name that is not UTF-8.
    #[error("unsupported entry `{0}`: expected a file, directory or link with a UTF-8 name")]
    Strange(Utf8PathBuf),
}

impl CompareError {
    /// No command fixes these errors.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        None
    }
}

impl Difference {
    /// The kind of leak that it looks like, if any. `machine` contains the names of this machine.
    #[must_use]
    pub fn leak(&self, machine: &Tokens) -> Option<Leak> {
        leak::of(&self.place, machine)
    }

    /// The complete line: location, content, and the kind of leak.
    #[must_use]
    pub fn explain(&self, machine: &Tokens) -> String {
        show::explained(self, self.leak(machine))
    }
}

/// Compares two files, or two trees in the order of their paths. `None` means equal.
///
/// Compares the type, the permission bits, the target of a link, and the content.
pub fn first_difference(
    first: &Utf8Path,
    second: &Utf8Path,
) -> Result<Option<Difference>, CompareError> {
    tree::compare_at(first, second, Utf8Path::new(""))
}

/// Compares two files. `unstripped` is the file that one of them was stripped from, and provides
/// symbols.
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

/// Compares two contents in memory as [`first_difference`] compares files.
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
