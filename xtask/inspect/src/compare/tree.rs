//! Compares two files or trees: their types, properties and content.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;

use super::{CompareError, Difference, Position, Side, UNSTRIPPED, first_difference_in, symbols};

pub(super) fn compare_at(
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
        here(Position::Property {
            name,
            first,
            second,
        })
    };
    let (one, other) = (read_entry(first)?, read_entry(second)?);
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
            return Ok(contents(first, second)?.and_then(here));
        }
        _ => None,
    })
}

fn contents(first: &Utf8Path, second: &Utf8Path) -> Result<Option<Position>, CompareError> {
    let (one, other) = (read(first)?, read(second)?);
    let mut place = first_difference_in(&one, &other);
    if let Some(place) = &mut place
        && symbols::may_name(place)
    {
        let beside = [first, second].map(|file| file.with_file_name(UNSTRIPPED));
        for unstripped in beside.iter().filter(|path| path.is_file()) {
            symbols::name(place, &one, &other, &read(unstripped)?);
        }
    }
    Ok(place)
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
                place: Position::Only(side),
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

fn read_entry(path: &Utf8Path) -> Result<Looked, CompareError> {
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

pub(super) fn read(path: &Utf8Path) -> Result<Vec<u8>, CompareError> {
    fs_err::read(path).map_err(|source| CompareError::Read {
        path: path.to_owned(),
        source,
    })
}
