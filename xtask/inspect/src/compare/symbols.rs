//! Finds symbols for locations in a stripped program, or in a flat copy of its memory, in the file
//! that it was stripped from.
//!
//! That file must have the same bytes up to the difference. A file of another build would give
//! wrong names.

use super::Position;
use elf::{Elf, Section};

/// Whether a location lacks a symbol that another file could provide.
pub(super) fn may_name(place: &Position) -> bool {
    matches!(
        place,
        Position::Section { symbol: None, .. } | Position::Byte { .. }
    )
}

/// Adds the symbol, and the section if unknown, to `place`.
pub(super) fn name(place: &mut Position, first: &[u8], second: &[u8], unstripped: &[u8]) {
    let Some(whole) = Elf::parse(unstripped) else {
        return;
    };
    match place {
        Position::Section {
            name,
            offset,
            symbol: symbol @ None,
            ..
        } => *symbol = in_section(&whole, &[first, second], name, *offset),
        Position::Byte {
            offset,
            first: a,
            second: b,
        } => {
            if let Some((section, inside)) = in_flat(&whole, &[first, second], *offset) {
                *place = Position::Section {
                    name: whole.sections[section].name.clone(),
                    offset: inside,
                    symbol: whole.symbol_at(section, inside),
                    first: std::mem::take(a),
                    second: std::mem::take(b),
                    also: Vec::new(),
                };
            }
        }
        _ => {}
    }
}

fn in_section(whole: &Elf, sides: &[&[u8]], name: &str, offset: usize) -> Option<String> {
    let mut sections = whole.sections.iter();
    let index = sections.position(|section| section.name == name)?;
    let known = &whole.sections[index];
    let agrees = |side: &&&[u8]| {
        Elf::parse(side).is_some_and(|side| {
            side.section(name).is_some_and(|section| {
                section.address == known.address
                    && have_common_prefix(section.bytes, known.bytes, offset)
            })
        })
    };
    sides.iter().find(agrees)?;
    whole.symbol_at(index, offset)
}

/// Section and offset of a byte in a flat file, which is the memory from the lowest loaded address,
/// as `objcopy -O binary` writes it.
fn in_flat(whole: &Elf, sides: &[&[u8]], offset: usize) -> Option<(usize, usize)> {
    let is_copied = |section: &&Section| section.is_loaded() && !section.bytes.is_empty();
    let copied = whole.sections.iter().filter(is_copied);
    let base = copied.map(|section| whole.load_address(section)).min()?;
    let mut sections = whole.sections.iter().enumerate();
    sections.find_map(|(index, section)| {
        let start = whole.load_address(section).checked_sub(base)?;
        let start = usize::try_from(start).ok()?;
        let inside = offset.checked_sub(start)?;
        let holds = is_copied(&section) && inside < section.bytes.len();
        let agrees = |side: &&&[u8]| {
            side.get(start..)
                .is_some_and(|side| have_common_prefix(side, section.bytes, inside))
        };
        (holds && sides.iter().any(|side| agrees(&side))).then_some((index, inside))
    })
}

/// Whether two contents have this many leading bytes in common.
fn have_common_prefix(one: &[u8], other: &[u8], length: usize) -> bool {
    one.get(..length)
        .is_some_and(|one| other.get(..length) == Some(one))
}
