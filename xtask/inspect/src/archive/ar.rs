//! Static libraries: `ar` archives with GNU's long names (binutils, `include/aout/ar.h`).

use super::{Archive, Member};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Name, start and end of the text fields of a header.
const FIELDS: [(&str, usize, usize); 4] = [
    ("mode", 40, 48),
    ("uid", 28, 34),
    ("gid", 34, 40),
    ("mtime", 16, 28),
];

pub(super) fn parse(bytes: &[u8]) -> Option<Archive<'_>> {
    bytes.strip_prefix(MAGIC)?;
    let mut members = Vec::new();
    let mut long_names: &[u8] = &[];
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let header = bytes.get(at..at + HEADER)?;
        if &header[58..] != b"`\n" {
            return None;
        }
        let text = |start: usize, end: usize| {
            let text = std::str::from_utf8(&header[start..end]).ok();
            text.map(|text| text.trim_end_matches(' '))
        };
        let size: usize = text(48, 58)?.parse().ok()?;
        let offset = at + HEADER;
        let data = bytes.get(offset..offset.checked_add(size)?)?;
        at = (offset + size).next_multiple_of(2).min(bytes.len());
        let (name, is_index) = match text(0, 16)? {
            "/" | "/SYM64/" => ("(symbol index)".to_owned(), true),
            "//" => {
                long_names = data;
                ("(long names)".to_owned(), true)
            }
            short => match short.strip_prefix('/') {
                Some(place) => (long_name(long_names, place.parse().ok()?)?, false),
                None => (short.strip_suffix('/').unwrap_or(short).to_owned(), false),
            },
        };
        let field = |(name, start, end)| Some((name, text(start, end)?.to_owned()));
        members.push(Member {
            name,
            fields: FIELDS.into_iter().filter_map(field).collect(),
            derived: Vec::new(),
            data,
            offset,
            is_index,
        });
    }
    Some(Archive { members, rest: &[] })
}

/// Looks up a long name. A separate member contains them, each terminated by a slash and a newline.
fn long_name(names: &[u8], at: usize) -> Option<String> {
    let name = names.get(at..)?.split(|byte| *byte == b'\n').next()?;
    let name = name.strip_suffix(b"/").unwrap_or(name);
    Some(String::from_utf8_lossy(name).into_owned())
}
