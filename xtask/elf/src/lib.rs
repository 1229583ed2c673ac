//! ELF files of any word size and byte order: headers, notes, sections and symbols.
//!
//! A reader of bytes after the System V gABI, chapters 4 and 5. It opens no file and knows nothing about
//! machines. Used by `kernel` (which machine a kernel is for) and by `forge` (which symbol covers a byte).

mod reader;
mod sections;

pub use reader::{Header, Note};
pub use sections::{Elf, Section};
