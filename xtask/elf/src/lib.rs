//! Parses ELF files of any word size and byte order: headers, notes, sections, symbols and needed
//! libraries.
//!
//! Follows the System V gABI, chapters 4 and 5. Opens no files and knows no machines. Used by
//! `kernel` (the machine of a kernel), by `hostfiles` (the libraries of a program) and by `forge`
//! (the symbol at a byte).

mod dynamic;
mod reader;
mod sections;

pub use dynamic::Dynamic;
pub use reader::{Header, Note};
pub use sections::{Elf, Section};
