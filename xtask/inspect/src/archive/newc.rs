//! Parses cpio archives as specified in the kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst`.

use super::{Archive, Field, Member};

/// The fields of a header in order, eight hexadecimal digits each.
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

pub(super) fn parse(bytes: &[u8]) -> Option<Archive<'_>> {
    let mut members = Vec::new();
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
            let rest = &bytes[at..];
            return Some(Archive { members, rest });
        }
        members.push(Member {
            name: name.to_owned(),
            fields: (1..FIELDS.len())
                .filter(|&index| index != SIZE)
                .map(|index| shown(&fields, index))
                .collect(),
            derived: vec![shown(&fields, INODE)],
            data,
            offset: data_start,
            is_index: false,
        });
    }
}

fn shown(fields: &[u32; 13], index: usize) -> Field {
    let value = fields[index];
    let text = match index {
        MODE => format!("{value:06o}"),
        _ => value.to_string(),
    };
    (FIELDS[index], text)
}
