//! Compares contents without a known structure: finds the first line or byte that differs.

use super::Position;
use crate::excerpt::excerpt;

/// The first line that differs, if both are texts.
pub(super) fn line_difference(first: &[u8], second: &[u8]) -> Option<Position> {
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
            return Some(Position::Line {
                number,
                first: line(a),
                second: line(b),
            });
        }
        number += 1;
    }
}

pub(super) fn byte_difference(first: &[u8], second: &[u8]) -> Option<Position> {
    let offset = differing_offset(first, second)?;
    let (first, second) = (excerpt(first, offset), excerpt(second, offset));
    Some(Position::Byte {
        offset,
        first,
        second,
    })
}

/// The first offset that differs, or the length of the shorter one if it is a prefix.
pub(super) fn differing_offset(first: &[u8], second: &[u8]) -> Option<usize> {
    let parted = first.iter().zip(second).position(|(a, b)| a != b);
    parted.or((first.len() != second.len()).then(|| first.len().min(second.len())))
}
