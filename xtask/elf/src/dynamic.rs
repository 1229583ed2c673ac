//! Requests of a program or library to the dynamic loader (gABI, chapter 5).

use crate::reader::{LOADED, Reader, Segment, string};

/// `PT_DYNAMIC`.
const DYNAMIC: u64 = 2;
/// `PT_INTERP`.
const INTERPRETER: u64 = 3;
/// `DT_NEEDED`, `DT_STRTAB`, `DT_RPATH` and `DT_RUNPATH`.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;

/// The libraries that a file needs, and the directories that are searched for them. Everything is
/// empty in a static program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// The dynamic loader of a program.
    pub interpreter: Option<String>,
    /// Names or paths of libraries, in the order of the file.
    pub needed: Vec<String>,
    /// Directories for its libraries and their dependencies.
    pub rpath: Vec<String>,
    /// Directories for its own libraries. If there are any, `rpath` is ignored.
    pub runpath: Vec<String>,
}

impl Dynamic {
    /// `None` if it is not an ELF file, or a part of it is outside the file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let reader = Reader::of(bytes)?;
        let segments = reader.segments()?;
        let content = |segment: &Segment| reader.slice(segment.offset, segment.file_size);
        let of_kind = |kind| segments.iter().find(|segment| segment.kind == kind);
        let mut found = Self::default();
        if let Some(segment) = of_kind(INTERPRETER) {
            found.interpreter = Some(string(content(segment)?, 0)?);
        }
        let Some(segment) = of_kind(DYNAMIC) else {
            return Some(found);
        };
        let entries = entries(Reader {
            bytes: content(segment)?,
            ..reader
        });
        let Some((_, strings)) = entries.iter().find(|(tag, _)| *tag == STRINGS) else {
            return Some(found);
        };
        let table = segments.iter().find(|segment| {
            segment.kind == LOADED
                && *strings >= segment.address
                && *strings - segment.address < segment.file_size
        })?;
        let skipped = *strings - table.address;
        let start = table.offset.checked_add(skipped)?;
        let table = reader.slice(start, table.file_size - skipped)?;
        for (tag, value) in entries {
            let directories = || {
                let text = string(table, value)?;
                let parts = text.split(':').filter(|part| !part.is_empty());
                Some(parts.map(str::to_owned).collect())
            };
            match tag {
                NEEDED => found.needed.push(string(table, value)?),
                RPATH => found.rpath = directories()?,
                RUNPATH => found.runpath = directories()?,
                _ => {}
            }
        }
        Some(found)
    }
}

/// The tags and values up to the terminator.
fn entries(reader: Reader<'_>) -> Vec<(u64, u64)> {
    let size = if reader.wide { 16 } else { 8 };
    let entry = |at| {
        Some((
            reader.field(at, (0, 4), (0, 8))?,
            reader.field(at, (4, 4), (8, 8))?,
        ))
    };
    let all = (0..reader.bytes.len()).step_by(size).map_while(entry);
    all.take_while(|(tag, _)| *tag != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit little-endian program that is loaded at its offsets, with these dynamic strings.
    fn program(interpreter: &str, strings: &[(u64, &str)]) -> Vec<u8> {
        let mut table = vec![0];
        let mut dynamic = Vec::new();
        let mut push = |tag: u64, value: u64| {
            dynamic.extend(tag.to_le_bytes());
            dynamic.extend(value.to_le_bytes());
        };
        for (tag, text) in strings {
            push(*tag, table.len() as u64);
            table.extend(text.bytes().chain([0]));
        }
        let start = 64 + 3 * 56;
        let interp = [interpreter.as_bytes(), b"\0"].concat();
        let (names, tags) = (start + interp.len(), start + interp.len() + table.len());
        push(STRINGS, names as u64);
        push(0, 0);
        let end = tags + dynamic.len();
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 3;
        for (kind, offset, size) in [
            (LOADED, 0, end),
            (INTERPRETER, start, interp.len()),
            (DYNAMIC, tags, dynamic.len()),
        ] {
            bytes.extend(u32::try_from(kind).unwrap().to_le_bytes());
            bytes.extend([0; 4]);
            for value in [offset, offset, offset, size, size, 0] {
                bytes.extend((value as u64).to_le_bytes());
            }
        }
        [bytes, interp, table, dynamic].concat()
    }

    #[test]
    fn libraries_and_directories_are_read() {
        let strings = [
            (NEEDED, "liba.so.1"),
            (RPATH, "/old"),
            (NEEDED, "libc.so.6"),
            (RUNPATH, "$ORIGIN/../lib:/opt/lib"),
        ];
        let expect = Dynamic {
            interpreter: Some("/lib/ld.so".to_owned()),
            needed: vec!["liba.so.1".to_owned(), "libc.so.6".to_owned()],
            rpath: vec!["/old".to_owned()],
            runpath: vec!["$ORIGIN/../lib".to_owned(), "/opt/lib".to_owned()],
        };
        let bytes = program("/lib/ld.so", &strings);
        assert_eq!(Dynamic::parse(&bytes), Some(expect));
        assert_eq!(Dynamic::parse(b"#!/bin/sh\n"), None);
        // The end of the file with the tags is missing.
        assert_eq!(Dynamic::parse(&bytes[..bytes.len() - 1]), None);
        // The offset of the loaded segment is damaged.
        let mut damaged = bytes;
        damaged[72..80].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Dynamic::parse(&damaged), None);
    }
}
