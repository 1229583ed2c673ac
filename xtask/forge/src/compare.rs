//! The differ: the first difference between two files or trees, with its place in terms a person
//! can act on (section and symbol, archive entry, config line) instead of a byte offset.
//!
//! Used when a rebuilt image has other bytes than it should have: `verify-release`, `ci`, tests.
//! It does not list every difference and takes no notice of time stamps outside of archives, which
//! no digest covers.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

mod elf;
mod newc;

/// Where two trees, or two files, first differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path below the two roots; empty where the roots are files themselves.
    pub path: Utf8PathBuf,
    /// Where in the file.
    pub place: Place,
}

/// Where in a file the difference is, and what stands there on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
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
        place: Box<Place>,
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
    #[error("cannot compare `{path}`")]
    Read {
        /// What was read.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Neither file, directory nor link, or a name that is not UTF-8.
    #[error("`{0}` is no file, directory or link with a UTF-8 name")]
    Strange(Utf8PathBuf),
}

impl CompareError {
    /// The command that mends it: there is none.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        None
    }
}

/// Compares two files, or two trees in the order of their paths; `None` means equal.
///
/// Of a file counts: its kind, its permission bits, the target of a link, the content.
pub fn first_difference(
    first: &Utf8Path,
    second: &Utf8Path,
) -> Result<Option<Difference>, CompareError> {
    compare_at(first, second, Utf8Path::new(""))
}

/// Compares two contents in memory the way [`first_difference`] compares files.
#[must_use]
pub fn first_difference_in(first: &[u8], second: &[u8]) -> Option<Place> {
    if first == second {
        return None;
    }
    elf::difference(first, second)
        .or_else(|| newc::difference(first, second))
        .or_else(|| line_difference(first, second))
        .or_else(|| byte_difference(first, second))
}

fn compare_at(
    first: &Utf8Path,
    second: &Utf8Path,
    path: &Utf8Path,
) -> Result<Option<Difference>, CompareError> {
    let here = |place| {
        Some(Difference {
            path: path.to_owned(),
            place,
        })
    };
    let property = |name, first, second| {
        here(Place::Property {
            name,
            first,
            second,
        })
    };
    let (one, other) = (look(first)?, look(second)?);
    let (a_kind, b_kind) = (one.content.kind(), other.content.kind());
    if a_kind != b_kind {
        return Ok(property("kind", a_kind.to_owned(), b_kind.to_owned()));
    }
    if one.mode != other.mode {
        return Ok(property(
            "mode",
            format!("{:04o}", one.mode),
            format!("{:04o}", other.mode),
        ));
    }
    Ok(match (one.content, other.content) {
        (Content::Link(one), Content::Link(other)) if one != other => {
            property("link target", one, other)
        }
        (Content::Directory(one), Content::Directory(other)) => {
            return compare_names(first, second, path, &one, &other);
        }
        (Content::File, Content::File) => {
            let place = first_difference_in(&read(first)?, &read(second)?);
            place.and_then(here)
        }
        _ => None,
    })
}

fn compare_names(
    first: &Utf8Path,
    second: &Utf8Path,
    path: &Utf8Path,
    one: &[String],
    other: &[String],
) -> Result<Option<Difference>, CompareError> {
    let mut names: Vec<&String> = one.iter().chain(other).collect();
    names.sort();
    names.dedup();
    for name in names {
        let path = path.join(name);
        let side = match (one.contains(name), other.contains(name)) {
            (true, true) => None,
            (true, false) => Some(Side::First),
            (false, _) => Some(Side::Second),
        };
        if let Some(side) = side {
            return Ok(Some(Difference {
                path,
                place: Place::Only(side),
            }));
        }
        if let Some(found) = compare_at(&first.join(name), &second.join(name), &path)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

enum Content {
    File,
    Directory(Vec<String>),
    Link(String),
}

impl Content {
    const fn kind(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory(_) => "directory",
            Self::Link(_) => "link",
        }
    }
}

struct Looked {
    mode: u32,
    content: Content,
}

fn look(path: &Utf8Path) -> Result<Looked, CompareError> {
    let failed = |source| CompareError::Read {
        path: path.to_owned(),
        source,
    };
    let strange = || CompareError::Strange(path.to_owned());
    let metadata = fs_err::symlink_metadata(path).map_err(failed)?;
    let kind = metadata.file_type();
    // The permission bits of a link are always 0777 on Linux.
    let mode = metadata.permissions().mode() & 0o7777;
    let content = if kind.is_file() {
        Content::File
    } else if kind.is_symlink() {
        let target = fs_err::read_link(path).map_err(failed)?;
        Content::Link(
            target
                .into_os_string()
                .into_string()
                .map_err(|_| strange())?,
        )
    } else if kind.is_dir() {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.push(name.into_string().map_err(|_| strange())?);
        }
        Content::Directory(names)
    } else {
        return Err(strange());
    };
    Ok(Looked { mode, content })
}

fn read(path: &Utf8Path) -> Result<Vec<u8>, CompareError> {
    fs_err::read(path).map_err(|source| CompareError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Both are texts: the first line that differs.
fn line_difference(first: &[u8], second: &[u8]) -> Option<Place> {
    let text = |bytes| {
        std::str::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'))
    };
    let (first, second) = (text(first)?, text(second)?);
    let (mut one, mut other) = (first.split('\n'), second.split('\n'));
    let mut number = 1;
    loop {
        let (a, b) = (one.next(), other.next());
        if a != b || a.is_none() {
            let line = |line: Option<&str>| line.unwrap_or_default().chars().take(200).collect();
            return Some(Place::Line {
                number,
                first: line(a),
                second: line(b),
            });
        }
        number += 1;
    }
}

fn byte_difference(first: &[u8], second: &[u8]) -> Option<Place> {
    let offset = differing_offset(first, second)?;
    let (first, second) = (excerpt(first, offset), excerpt(second, offset));
    Some(Place::Byte {
        offset,
        first,
        second,
    })
}

/// Where two byte strings part; the length of the shorter one if it begins the longer one.
fn differing_offset(first: &[u8], second: &[u8]) -> Option<usize> {
    let parted = first.iter().zip(second).position(|(a, b)| a != b);
    parted.or((first.len() != second.len()).then(|| first.len().min(second.len())))
}

/// What stands at `offset`: the whole text around it if it is text, else eight bytes in hexadecimal.
fn excerpt(bytes: &[u8], offset: usize) -> String {
    const BEFORE: usize = 40;
    const AFTER: usize = 60;
    let printable = |byte: &&u8| matches!(byte, b' '..=b'~');
    let (head, tail) = bytes.split_at(offset.min(bytes.len()));
    let before = head.iter().rev().take(BEFORE).take_while(printable).count();
    let after = tail.iter().take(AFTER).take_while(printable).count();
    if before + after >= 4 {
        let text = &bytes[head.len() - before..head.len() + after];
        return format!("{:?}", String::from_utf8_lossy(text));
    }
    let hex: Vec<String> = tail
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if hex.is_empty() {
        "(end)".to_owned()
    } else {
        hex.join(" ")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.as_str().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only(Side::First) => f.write_str("only the first has it"),
            Self::Only(Side::Second) => f.write_str("only the second has it"),
            Self::Property {
                name,
                first,
                second,
            } => write!(f, "{name}: {first} / {second}"),
            Self::Line {
                number,
                first,
                second,
            } => {
                write!(f, "line {number}: {first:?} / {second:?}")
            }
            Self::Section {
                name,
                offset,
                symbol,
                first,
                second,
                also,
            } => {
                write!(f, "section {name} + {offset:#x}")?;
                if let Some(symbol) = symbol {
                    write!(f, " (symbol {symbol})")?;
                }
                write!(f, ": {first} / {second}")?;
                if !also.is_empty() {
                    write!(f, "; also in {}", also.join(", "))?;
                }
                Ok(())
            }
            Self::Entry { entry, place } => write!(f, "entry {entry}: {place}"),
            Self::Byte {
                offset,
                first,
                second,
            } => {
                write!(f, "byte {offset:#x}: {first} / {second}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
