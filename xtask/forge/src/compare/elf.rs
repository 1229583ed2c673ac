//! Two ELF files, of any word size and byte order: the section, offset and symbol that differ.
//!
//! A reader of section headers and symbol tables after the System V gABI, chapter 4; it knows
//! nothing about machines.

use super::{Place, byte_difference, differing_offset, excerpt};

const SYMBOL_TABLE: u32 = 2;
const NO_BITS: u32 = 8;
const ALLOCATED: u64 = 2;
const RELOCATABLE: u16 = 1;

/// `None` if one of them is no ELF file with sections, or if they are equal.
pub(super) fn difference(first: &[u8], second: &[u8]) -> Option<Place> {
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
    Some(Place::Section {
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

/// Where one section grew, the addresses in others change with it: a section of another size is the
/// likelier cause, and what is loaded explains symbol and string tables.
fn likeliest<'a, 'b>(
    differing: &'a [(usize, &'b Section<'b>)],
    other: &Elf,
) -> Option<&'a (usize, &'b Section<'b>)> {
    let loaded = |section: &Section| section.flags & ALLOCATED != 0;
    let grew = |section: &Section| {
        other
            .section(&section.name)
            .is_none_or(|twin| twin.bytes.len() != section.bytes.len())
    };
    let first = |wanted: &dyn Fn(&Section) -> bool| differing.iter().find(|(_, s)| wanted(s));
    first(&|section| loaded(section) && grew(section))
        .or_else(|| first(&loaded))
        .or_else(|| differing.first())
}

/// No section's content differs: a section only the second has, or the headers.
fn outside(one: &Elf, other: &Elf) -> Option<Place> {
    let surplus = other
        .sections
        .iter()
        .find(|section| one.section(&section.name).is_none());
    if let Some(section) = surplus {
        return Some(Place::Section {
            name: section.name.clone(),
            offset: 0,
            symbol: None,
            first: "(no such section)".to_owned(),
            second: excerpt(section.bytes, 0),
            also: Vec::new(),
        });
    }
    byte_difference(one.bytes, other.bytes)
}

struct Section<'a> {
    name: String,
    kind: u32,
    flags: u64,
    address: u64,
    link: usize,
    bytes: &'a [u8],
}

struct Elf<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    kind: u16,
    sections: Vec<Section<'a>>,
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    wide: bool,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    /// Reads a field of `length` bytes that lies elsewhere in the two word sizes.
    fn field(&self, base: usize, narrow: (usize, usize), wide: (usize, usize)) -> Option<u64> {
        let (at, length) = if self.wide { wide } else { narrow };
        self.number(base.checked_add(at)?, length)
    }

    fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes
            .get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }
}

impl<'a> Elf<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(b"\x7fELF")?;
        let wide = *bytes.get(4)? == 2;
        let big_endian = *bytes.get(5)? == 2;
        let reader = Reader {
            bytes,
            wide,
            big_endian,
        };
        let kind = u16::try_from(reader.number(16, 2)?).ok()?;
        let table = usize::try_from(reader.field(0, (32, 4), (40, 8))?).ok()?;
        let size = usize::try_from(reader.field(0, (46, 2), (58, 2))?).ok()?;
        let count = usize::try_from(reader.field(0, (48, 2), (60, 2))?).ok()?;
        let names = usize::try_from(reader.field(0, (50, 2), (62, 2))?).ok()?;
        let header = |index: usize| table.checked_add(index.checked_mul(size)?);
        let content = |at: usize| {
            let start = reader.field(at, (16, 4), (24, 8))?;
            reader.slice(start, reader.field(at, (20, 4), (32, 8))?)
        };
        let names = content(header(names)?)?;
        let sections = (0..count).map(|index| {
            let at = header(index)?;
            let kind = u32::try_from(reader.number(at + 4, 4)?).ok()?;
            Some(Section {
                name: string(names, reader.number(at, 4)?)?,
                kind,
                flags: reader.field(at, (8, 4), (8, 8))?,
                address: reader.field(at, (12, 4), (16, 8))?,
                link: usize::try_from(reader.field(at, (24, 4), (40, 4))?).ok()?,
                bytes: if kind == NO_BITS { &[] } else { content(at)? },
            })
        });
        let sections = sections.collect::<Option<Vec<_>>>()?;
        (!sections.is_empty()).then_some(Self {
            bytes,
            reader,
            kind,
            sections,
        })
    }

    fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Whether no section of that name has the same bytes: names repeat in relocatable files.
    fn lacks(&self, wanted: &Section) -> bool {
        let mut named = self
            .sections
            .iter()
            .filter(|section| section.name == wanted.name);
        named.all(|section| section.bytes != wanted.bytes)
    }

    /// The symbol that covers a place in a section, else the last one before it.
    fn symbol_at(&self, section: usize, offset: usize) -> Option<String> {
        let table = self
            .sections
            .iter()
            .find(|section| section.kind == SYMBOL_TABLE)?;
        let names = self.sections.get(table.link)?.bytes;
        // In a relocatable file a symbol's value counts from its section's start.
        let base = if self.kind == RELOCATABLE {
            0
        } else {
            self.sections[section].address
        };
        let wanted = base + offset as u64;
        let reader = Reader {
            bytes: table.bytes,
            ..self.reader
        };
        let entry = if reader.wide { 24 } else { 16 };
        let mut nearest = None;
        for at in (0..table.bytes.len()).step_by(entry) {
            let name = string(names, reader.number(at, 4)?)?;
            let value = reader.field(at, (4, 4), (8, 8))?;
            let length = reader.field(at, (8, 4), (16, 8))?;
            let owner = usize::try_from(reader.field(at, (14, 2), (6, 2))?).ok()?;
            if owner != section || value > wanted || name.is_empty() {
                continue;
            }
            if wanted - value < length {
                return Some(name);
            }
            if length == 0 && nearest.as_ref().is_none_or(|(best, _)| *best <= value) {
                nearest = Some((value, name));
            }
        }
        nearest.map(|(_, name)| name)
    }
}

fn string(table: &[u8], at: u64) -> Option<String> {
    let tail = table.get(usize::try_from(at).ok()?..)?;
    let name = tail.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
