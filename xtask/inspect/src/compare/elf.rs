//! Compares two ELF files: finds the section, offset and symbol that differ.

use super::Position;
use super::bytes::{byte_difference, differing_offset};
use crate::excerpt::excerpt;
use elf::{Elf, Section};

/// `None` if one of them is not an ELF file with sections, or if they are equal.
pub(super) fn difference(first: &[u8], second: &[u8]) -> Option<Position> {
    let (one, other) = (Elf::parse(first)?, Elf::parse(second)?);
    let differing: Vec<(usize, &Section)> = one
        .sections
        .iter()
        .enumerate()
        .filter(|(_, section)| other.lacks(section))
        .collect();
    let Some(&(index, section)) = likeliest(&differing, &other) else {
        return outside(&one, &other);
    };
    let other_bytes = other
        .section(&section.name)
        .map_or(&[][..], |section| section.bytes);
    let offset = differing_offset(section.bytes, other_bytes).unwrap_or_default();
    Some(Position::Section {
        name: section.name.clone(),
        offset,
        symbol: one.symbol_at(index, offset),
        first: excerpt(section.bytes, offset),
        second: excerpt(other_bytes, offset),
        also: differing
            .iter()
            .filter(|(other, _)| *other != index)
            .map(|(_, section)| section.name.clone())
            .collect(),
    })
}

/// Chooses the likeliest cause. If one section grew, addresses in others change, so a section of
/// another size is preferred. Loaded sections explain symbol and string tables.
fn likeliest<'a, 'b>(
    differing: &'a [(usize, &'b Section<'b>)],
    other: &Elf,
) -> Option<&'a (usize, &'b Section<'b>)> {
    let grew = |section: &Section| {
        other
            .section(&section.name)
            .is_none_or(|twin| twin.bytes.len() != section.bytes.len())
    };
    let first = |wanted: &dyn Fn(&Section) -> bool| differing.iter().find(|(_, s)| wanted(s));
    first(&|section| section.is_loaded() && grew(section))
        .or_else(|| first(&|section| section.is_loaded()))
        .or_else(|| differing.first())
}

/// The difference if no section's content differs: a section that only the second has, or the
/// headers.
fn outside(one: &Elf, other: &Elf) -> Option<Position> {
    let surplus = other
        .sections
        .iter()
        .find(|section| one.section(&section.name).is_none());
    if let Some(section) = surplus {
        return Some(Position::Section {
            name: section.name.clone(),
            offset: 0,
            symbol: None,
            first: "(missing section)".to_owned(),
            second: excerpt(section.bytes, 0),
            also: Vec::new(),
        });
    }
    byte_difference(one.bytes, other.bytes)
}
