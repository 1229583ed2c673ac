//! Sections, and the symbols that cover a byte of a file.

use crate::reader::{LOADED, Reader, Segment, string};

const SYMBOL_TABLE: u32 = 2;
const NO_BITS: u32 = 8;
const ALLOCATED: u64 = 2;
const RELOCATABLE: u16 = 1;
const SECTION_SYMBOL: u64 = 3;
const FILE_SYMBOL: u64 = 4;

/// One section.
pub struct Section<'a> {
    /// Its name.
    pub name: String,
    /// Its address at run time, or zero in a relocatable file.
    pub address: u64,
    /// Its offset in the file.
    pub offset: usize,
    /// Its contents, empty if it occupies memory only at run time.
    pub bytes: &'a [u8],
    kind: u32,
    flags: u64,
    link: usize,
}

impl Section<'_> {
    /// Whether it is in memory at run time.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.flags & ALLOCATED != 0
    }
}

/// An ELF file with sections.
pub struct Elf<'a> {
    /// The whole file.
    pub bytes: &'a [u8],
    /// The sections in the order of the file's table.
    pub sections: Vec<Section<'a>>,
    reader: Reader<'a>,
    kind: u16,
    segments: Vec<Segment>,
}

impl<'a> Elf<'a> {
    /// `None` if it is not an ELF file, or one without sections.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let reader = Reader::of(bytes)?;
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
                offset: usize::try_from(reader.field(at, (16, 4), (24, 8))?).ok()?,
                bytes: if kind == NO_BITS { &[] } else { content(at)? },
            })
        });
        let sections = sections.collect::<Option<Vec<_>>>()?;
        (!sections.is_empty()).then_some(Self {
            bytes,
            sections,
            reader,
            kind,
            segments: reader.segments().unwrap_or_default(),
        })
    }

    /// The first section of this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The load address of a section, which may differ from its run-time address.
    #[must_use]
    pub fn load_address(&self, section: &Section) -> u64 {
        let segment = self.segments.iter().find(|segment| {
            segment.kind == LOADED
                && section.address >= segment.address
                && section.address - segment.address < segment.memory
        });
        segment.map_or(section.address, |segment| {
            segment
                .load_address
                .wrapping_add(section.address - segment.address)
        })
    }

    /// The index of the section that contains a byte of the file, and the offset in it.
    #[must_use]
    pub fn section_at(&self, offset: usize) -> Option<(usize, usize)> {
        self.sections
            .iter()
            .enumerate()
            .find_map(|(index, section)| {
                let inside = offset.checked_sub(section.offset)?;
                (inside < section.bytes.len()).then_some((index, inside))
            })
    }

    /// Whether no section of the same name has the same bytes. Names may repeat in relocatable
    /// files.
    #[must_use]
    pub fn lacks(&self, wanted: &Section) -> bool {
        let mut named = self
            .sections
            .iter()
            .filter(|section| section.name == wanted.name);
        named.all(|section| section.bytes != wanted.bytes)
    }

    /// The symbol that covers an offset in a section, else the last one before it if that has no
    /// size.
    #[must_use]
    pub fn symbol_at(&self, section: usize, offset: usize) -> Option<String> {
        let table = self
            .sections
            .iter()
            .find(|section| section.kind == SYMBOL_TABLE)?;
        let names = self.sections.get(table.link)?.bytes;
        // In a relocatable file, the value of a symbol is relative to its section.
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
            let marks = reader.field(at, (12, 1), (4, 1))? & 0xf;
            let names_no_object = matches!(marks, SECTION_SYMBOL | FILE_SYMBOL)
                // Mapping symbols of assemblers (`$x`, `$d`): AAELF and similar.
                || name.starts_with('$');
            if owner != section || value > wanted || name.is_empty() || names_no_object {
                continue;
            }
            if wanted - value < length {
                return Some(name);
            }
            if nearest.as_ref().is_none_or(|(best, _, _)| *best <= value) {
                nearest = Some((value, length, name));
            }
        }
        // A symbol without a size extends to the next one. Nothing covers the bytes after a sized
        // one.
        let nearest = nearest.filter(|(_, length, _)| *length == 0);
        nearest.map(|(_, _, name)| name)
    }
}
