//! ELF files of any word size and byte order: headers, notes, sections, symbols, needed libraries.
//!
//! A reader of bytes after the System V gABI, chapters 4 and 5. It opens no file and knows nothing about
//! machines. Used by `kernel` (which machine a kernel is for), by `hostfiles` (which libraries a program needs) and
//! by `forge` (which symbol covers a byte).

mod dynamic;
mod reader;
mod sections;

pub use dynamic::Dynamic;
pub use reader::{Header, Note};
pub use sections::{Elf, Section};
