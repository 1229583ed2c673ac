//! Two newc archives: the entry and the field, or the place in the entry's content, that differs.

use std::collections::BTreeSet;

use super::{Place, Side, byte_difference, first_difference_in};

/// The fields of a newc header in the order of `Documentation/driver-api/early-userspace/
/// buffer-format.rst` of the kernel, eight hexadecimal digits each.
const FIELDS: [&str; 13] = [
    "inode",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "size",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
];
const INODE: usize = 0;
const MODE: usize = 1;
const SIZE: usize = 6;
const NAME_SIZE: usize = 11;
const HEADER: usize = 6 + 13 * 8;

struct Entry<'a> {
    name: &'a str,
    fields: [u32; 13],
    data: &'a [u8],
}

struct Archive<'a> {
    entries: Vec<Entry<'a>>,
    /// What follows the trailer entry.
    rest: &'a [u8],
}

/// `None` if one of them is no newc archive, or if they are equal.
pub(super) fn difference(first: &[u8], second: &[u8]) -> Option<Place> {
    let (one, other) = (parse(first)?, parse(second)?);
    missing(&one, &other).or_else(|| {
        one.entries
            .iter()
            .zip(&other.entries)
            .find_map(|(a, b)| in_entry(a, b))
            .or_else(|| {
                let place = Box::new(byte_difference(one.rest, other.rest)?);
                Some(Place::Entry {
                    entry: "(after the trailer)".to_owned(),
                    place,
                })
            })
    })
}

fn missing(one: &Archive, other: &Archive) -> Option<Place> {
    let names = |archive: &Archive<'_>| -> BTreeSet<String> {
        archive
            .entries
            .iter()
            .map(|entry| entry.name.to_owned())
            .collect()
    };
    let (one, other) = (names(one), names(other));
    let name = one.symmetric_difference(&other).next()?;
    let side = if one.contains(name) {
        Side::First
    } else {
        Side::Second
    };
    Some(Place::Entry {
        entry: name.clone(),
        place: Box::new(Place::Only(side)),
    })
}

fn in_entry(a: &Entry, b: &Entry) -> Option<Place> {
    let property = |name, first, second| Place::Property {
        name,
        first,
        second,
    };
    let field = |index: usize| {
        let (first, second) = (a.fields[index], b.fields[index]);
        let show = |value: u32| match index {
            MODE => format!("{value:06o}"),
            _ => value.to_string(),
        };
        (first != second).then(|| property(FIELDS[index], show(first), show(second)))
    };
    let place = if a.name == b.name {
        // The content explains the size, and an inode number often follows from another entry.
        (1..FIELDS.len())
            .filter(|&index| index != SIZE)
            .find_map(field)
            .or_else(|| first_difference_in(a.data, b.data))
            .or_else(|| field(INODE))?
    } else {
        property("place in the order", a.name.to_owned(), b.name.to_owned())
    };
    Some(Place::Entry {
        entry: a.name.to_owned(),
        place: Box::new(place),
    })
}

fn parse(bytes: &[u8]) -> Option<Archive<'_>> {
    let mut entries = Vec::new();
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + HEADER)?;
        let digits = header
            .strip_prefix(b"070701")
            .or_else(|| header.strip_prefix(b"070702"))?;
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(digits.chunks_exact(8)) {
            *field = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let name_end = at + HEADER + fields[NAME_SIZE] as usize;
        let name = bytes.get(at + HEADER..name_end)?.strip_suffix(b"\0")?;
        let name = std::str::from_utf8(name).ok()?;
        let data_start = name_end.next_multiple_of(4);
        let data_end = data_start + fields[SIZE] as usize;
        let data = bytes.get(data_start..data_end)?;
        at = data_end.next_multiple_of(4).min(bytes.len());
        if name == "TRAILER!!!" {
            return Some(Archive {
                entries,
                rest: &bytes[at..],
            });
        }
        entries.push(Entry { name, fields, data });
    }
}
