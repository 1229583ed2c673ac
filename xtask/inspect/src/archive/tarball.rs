//! tar archives, uncompressed.

use std::io::Cursor;

use super::{Archive, Member};

/// Location of the magic of POSIX and GNU archives.
const MAGIC: std::ops::Range<usize> = 257..262;

pub(super) fn parse(bytes: &[u8]) -> Option<Archive<'_>> {
    if bytes.get(MAGIC)? != b"ustar" {
        return None;
    }
    let mut reader = tar::Archive::new(Cursor::new(bytes));
    let mut members = Vec::new();
    let mut end = 0;
    for entry in reader.entries().ok()? {
        let entry = entry.ok()?;
        let header = entry.header();
        let offset = usize::try_from(entry.raw_file_position()).ok()?;
        let size = usize::try_from(entry.size()).ok()?;
        let data = bytes.get(offset..offset.checked_add(size)?)?;
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        // Some writers omit the field, which must differ from an explicit zero.
        let number =
            |value: std::io::Result<u64>| value.map_or_else(|_| String::new(), |n| n.to_string());
        let link = entry.link_name_bytes();
        members.push(Member {
            name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            fields: vec![
                ("kind", format!("{:?}", header.entry_type())),
                ("mode", format!("{:04o}", header.mode().ok()?)),
                ("uid", number(header.uid())),
                ("gid", number(header.gid())),
                ("user", text(header.username_bytes())),
                ("group", text(header.groupname_bytes())),
                ("mtime", number(header.mtime())),
                ("link target", text(link.as_deref())),
            ],
            derived: Vec::new(),
            data,
            offset,
            is_index: false,
        });
        end = offset + size;
    }
    let rest = bytes.get(end.next_multiple_of(512)..).unwrap_or_default();
    Some(Archive { members, rest })
}
