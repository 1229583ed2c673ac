//! Searches build outputs for strings that identify the build machine: no output may reveal where,
//! by whom and on what it was built.
//!
//! `build` scans the output of every step before it is committed. Files are read in pieces. Only a
//! file with a match is read completely, to find the section and symbol or the archive entry.
//! Compressed data are not decompressed: images contain nothing compressed without its plain form
//! next to it.

use std::io::Read;
use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};

use crate::archive::Archive;
use elf::Elf;

mod tokens;

pub use tokens::{Machine, Token, Tokens};

/// A string of the build machine in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The string.
    pub token: Token,
    /// The file, relative to the scanned tree.
    pub path: Utf8PathBuf,
    /// Section, symbol or entry, and the surrounding content.
    pub place: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { text, what, .. } = &self.token;
        write!(
            f,
            "the {what} `{text}` is in `{}`, {}",
            self.path, self.place
        )
    }
}

/// Bytes per read.
const PIECE: usize = 1 << 20;

/// The first location of each string in each file below `tree`, in the order of the paths. Also
/// checks file names and link targets.
pub fn scan(tree: &Utf8Path, tokens: &Tokens) -> io::Result<Vec<Finding>> {
    let mut found = Vec::new();
    if !tokens.sought().is_empty() {
        scan_below(tree, Utf8Path::new(""), tokens, &mut found)?;
    }
    Ok(found)
}

fn scan_below(
    tree: &Utf8Path,
    path: &Utf8Path,
    tokens: &Tokens,
    found: &mut Vec<Finding>,
) -> io::Result<()> {
    let here = tree.join(path);
    let mut names = Vec::new();
    for entry in fs_err::read_dir(&here)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        let path = path.join(&name);
        let file = here.join(&name);
        let finding = |token: &Token, place: String| Finding {
            token: token.clone(),
            path: path.clone(),
            place,
        };
        let words = |text: &str| tokens.find(text).cloned();
        found.extend(words(&name).map(|token| finding(&token, "in its name".to_owned())));
        let kind = fs_err::symlink_metadata(&file)?.file_type();
        if kind.is_dir() {
            scan_below(tree, &path, tokens, found)?;
        } else if kind.is_symlink() {
            let target = fs_err::read_link(&file)?.to_string_lossy().into_owned();
            let place = format!("its target: {target}");
            found.extend(words(&target).map(|token| finding(&token, place)));
        } else if kind.is_file() {
            let hits = hits(fs_err::File::open(&file)?, tokens)?;
            if hits.is_empty() {
                continue;
            }
            let bytes = fs_err::read(&file)?;
            let places = hits.iter().filter_map(|token| {
                let at = token.positions(&bytes).next()?;
                Some(finding(token, describe_position(&bytes, at)))
            });
            found.extend(places);
        }
    }
    Ok(())
}

/// Whether a string occurs in a file, in a file below a directory, or in a file name.
pub fn holds(place: &Utf8Path, token: &Token) -> io::Result<bool> {
    let alone = Tokens::from(token);
    let kind = fs_err::symlink_metadata(place)?.file_type();
    if kind.is_dir() {
        for entry in fs_err::read_dir(place)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if alone.find(&name).is_some() || holds(&place.join(name), token)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    Ok(kind.is_file() && !hits(fs_err::File::open(place)?, &alone)?.is_empty())
}

/// The strings that occur in a file. Pieces overlap by a string and the bytes around it.
fn hits(mut file: impl Read, tokens: &Tokens) -> io::Result<Vec<&Token>> {
    let longest = tokens.sought().iter().map(|token| token.text.len()).max();
    let overlap = longest.unwrap_or_default() + 2;
    let mut piece = vec![0; PIECE.max(4 * overlap)];
    let mut hits: Vec<&Token> = Vec::new();
    let mut held = 0;
    loop {
        let read = match file.read(&mut piece[held..]) {
            Ok(0) => return Ok(hits),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = held + read;
        for token in tokens.sought() {
            if !hits.contains(&token) && token.positions(&piece[..end]).next().is_some() {
                hits.push(token);
            }
        }
        held = overlap.min(end);
        piece.copy_within(end - held..end, 0);
    }
}

/// Describes a location in a file: archive entry, section and symbol of a program, or line of a
/// text.
fn describe_position(bytes: &[u8], at: usize) -> String {
    if let Some(archive) = Archive::parse(bytes) {
        return match archive.member_at(at) {
            Some((member, inside)) => {
                format!(
                    "entry {}, {}",
                    member.name,
                    describe_position(member.data, inside)
                )
            }
            None => format!("between its entries: {}", text_at(bytes, at)),
        };
    }
    if let Some(elf) = Elf::parse(bytes)
        && let Some((index, inside)) = elf.section_at(at)
    {
        let symbol = elf.symbol_at(index, inside);
        let symbol = symbol.map(|symbol| format!(" (symbol {symbol})"));
        return format!(
            "section {} + {inside:#x}{}: {}",
            elf.sections[index].name,
            symbol.unwrap_or_default(),
            text_at(bytes, at)
        );
    }
    if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
        let number = memchr::memchr_iter(b'\n', &bytes[..at]).count() + 1;
        return format!("line {number}: {}", text_at(bytes, at));
    }
    format!("byte {at:#x}: {}", text_at(bytes, at))
}

/// The text around a location.
fn text_at(bytes: &[u8], at: usize) -> String {
    crate::excerpt::excerpt(bytes, at)
}

#[cfg(test)]
mod tests;
