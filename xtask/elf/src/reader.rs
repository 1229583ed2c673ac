//! The file header, the program headers, and the notes.

/// The properties in the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `e_machine`.
    pub machine: u16,
    /// Whether words have 64 bits.
    pub wide: bool,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The owner that defines the kind, such as `GNU`.
    pub owner: String,
    /// `n_type`.
    pub kind: u32,
}

impl Header {
    /// `None` if it is not an ELF file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let reader = Reader::of(bytes)?;
        Some(Self {
            machine: u16::try_from(reader.number(18, 2)?).ok()?,
            wide: reader.wide,
            big_endian: reader.big_endian,
        })
    }
}

impl Note {
    /// The notes of a file (`PT_NOTE`) up to the first malformed one.
    #[must_use]
    pub fn all(bytes: &[u8]) -> Vec<Self> {
        let Some(reader) = Reader::of(bytes) else {
            return Vec::new();
        };
        let segments = reader.segments().unwrap_or_default();
        let notes = segments.iter().filter(|segment| segment.kind == NOTES);
        let content = notes.filter_map(|notes| reader.slice(notes.offset, notes.file_size));
        let mut found = Vec::new();
        for bytes in content {
            let reader = Reader { bytes, ..reader };
            let mut at = 0;
            while let Some((note, next)) = reader.note(at) {
                found.push(note);
                at = next;
            }
        }
        found
    }
}

/// Reads numbers in the byte order of the file.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
}

/// `PT_LOAD`.
pub(crate) const LOADED: u64 = 1;
/// `PT_NOTE`.
const NOTES: u64 = 4;

/// A segment described by a program header.
pub(crate) struct Segment {
    pub(crate) kind: u64,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) load_address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory: u64,
}

impl<'a> Reader<'a> {
    /// `None` if it is not an ELF file.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(b"\x7fELF")?;
        Some(Self {
            bytes,
            wide: *bytes.get(4)? == 2,
            big_endian: *bytes.get(5)? == 2,
        })
    }

    pub(crate) fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    /// Reads a field of `length` bytes whose offset depends on the word size.
    pub(crate) fn field(
        &self,
        base: usize,
        narrow: (usize, usize),
        wide: (usize, usize),
    ) -> Option<u64> {
        let (at, length) = if self.wide { wide } else { narrow };
        self.number(base.checked_add(at)?, length)
    }

    pub(crate) fn slice(&self, at: u64, length: u64) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes
            .get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }

    /// The segments of the program headers. A relocatable file has none.
    pub(crate) fn segments(&self) -> Option<Vec<Segment>> {
        let number = |value: Option<u64>| usize::try_from(value?).ok();
        let table = number(self.field(0, (28, 4), (32, 8)))?;
        let size = number(self.field(0, (42, 2), (54, 2)))?;
        let count = number(self.field(0, (44, 2), (56, 2)))?;
        let mut segments = Vec::new();
        for index in 0..count {
            let at = table.checked_add(index.checked_mul(size)?)?;
            segments.push(Segment {
                kind: self.number(at, 4)?,
                offset: self.field(at, (4, 4), (8, 8))?,
                address: self.field(at, (8, 4), (16, 8))?,
                load_address: self.field(at, (12, 4), (24, 8))?,
                file_size: self.field(at, (16, 4), (32, 8))?,
                memory: self.field(at, (20, 4), (40, 8))?,
            });
        }
        Some(segments)
    }

    /// The note at an offset, and the offset of the next one. Both parts are padded to four bytes.
    fn note(&self, at: usize) -> Option<(Note, usize)> {
        let length = |field: usize| usize::try_from(self.number(at + field, 4)?).ok();
        let (name, description) = (length(0)?, length(4)?);
        let owner = self.bytes.get(at + 12..(at + 12).checked_add(name)?)?;
        let owner = owner.strip_suffix(b"\0").unwrap_or(owner);
        let note = Note {
            owner: String::from_utf8_lossy(owner).into_owned(),
            kind: u32::try_from(self.number(at + 8, 4)?).ok()?,
        };
        let padded = |length: usize| length.checked_next_multiple_of(4);
        let next = (at + 12).checked_add(padded(name)?)?;
        Some((note, next.checked_add(padded(description)?)?))
    }
}

/// The string at an offset of a string table.
pub(crate) fn string(table: &[u8], at: u64) -> Option<String> {
    let tail = table.get(usize::try_from(at).ok()?..)?;
    let name = tail.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
