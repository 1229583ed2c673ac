//! Adds function names to addresses in a kernel's backtraces, from the image's table of functions.
//!
//! The guest's kernel has no symbol table, which would cost a quarter of a mebibyte in every boot.
//! The table is a file of the image, made by `recipes/linux`. Older images lack it.

use std::fmt::Write as _;

use camino::Utf8Path;

/// The file in the image: one line per function, sorted by address: the distance to the previous
/// one in hexadecimal, a space, the name.
pub const FILE: &str = "symbols";

/// Maximum length of a function in bytes. An address farther from any function gets no name.
const LONGEST: u64 = 64 << 10;

/// A kernel's functions.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Addresses and names, sorted by address.
    functions: Vec<(u64, String)>,
}

impl Symbols {
    /// The table of the image that a kernel belongs to, or an empty one.
    pub fn next_to(kernel: &Utf8Path) -> std::io::Result<Self> {
        match fs_err::read_to_string(kernel.with_file_name(FILE)) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Parses a table up to the first malformed line.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut functions = Vec::new();
        let mut address = 0_u64;
        for line in text.lines() {
            let Some((distance, name)) = line.split_once(' ') else {
                break;
            };
            let next = u64::from_str_radix(distance, 16).ok();
            let Some(next) = next.and_then(|distance| address.checked_add(distance)) else {
                break;
            };
            address = next;
            functions.push((address, name.trim_start_matches('.').to_owned()));
        }
        Self { functions }
    }

    /// Adds the function's name after each address inside a function.
    #[must_use]
    pub fn resolve(&self, line: &str) -> String {
        let mut text = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(start) = rest.find(is_hex) {
            let word = &rest[start..];
            let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
            let (before, word) = (&rest[..start], &word[..end]);
            text.push_str(before);
            text.push_str(word);
            rest = &rest[start + end..];
            let is_inside = before.ends_with(is_word);
            let digits = word.strip_prefix("0x").unwrap_or(word);
            if is_inside || !matches!(digits.len(), 8 | 16) {
                continue;
            }
            let address = u64::from_str_radix(digits, 16).ok();
            if let Some((name, offset)) = address.and_then(|address| self.find(address)) {
                // The name follows the closing bracket around an address.
                if rest.starts_with([']', '>', ')']) {
                    text.push_str(&rest[..1]);
                    rest = &rest[1..];
                }
                let _ = write!(text, " {name}+{offset:#x}");
            }
        }
        text.push_str(rest);
        text
    }

    fn find(&self, address: u64) -> Option<(&str, u64)> {
        let after = self
            .functions
            .partition_point(|(start, _)| *start <= address);
        let (start, name) = self.functions.get(after.checked_sub(1)?)?;
        let offset = address - start;
        (offset < LONGEST).then_some((name, offset))
    }
}

fn is_hex(character: char) -> bool {
    character.is_ascii_hexdigit()
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "ffffffff81000000 _text\n40 .do_it\n1000 last\n";

    #[test]
    fn an_address_gets_the_name_of_its_function() {
        let symbols = Symbols::parse(TABLE);
        let check = |line: &str, expect: &str| assert_eq!(symbols.resolve(line), expect);
        check(
            "[    1.0]  ? 0xffffffff81000044",
            "[    1.0]  ? 0xffffffff81000044 do_it+0x4",
        );
        check(
            "RIP: 0010:0xffffffff81001040",
            "RIP: 0010:0xffffffff81001040 last+0x0",
        );
        check(
            "[c0] [ffffffff8100003f] 0xffffffff8100003f (unreliable)",
            "[c0] [ffffffff8100003f] _text+0x3f 0xffffffff8100003f _text+0x3f (unreliable)",
        );
        check(
            "RAX: ffffffff80ffffff RBX: 0000000000000000",
            "RAX: ffffffff80ffffff RBX: 0000000000000000",
        );
        check("0xffffffff81111111", "0xffffffff81111111");
        check(
            "xffffffff81000044 ffffffff81000044z",
            "xffffffff81000044 ffffffff81000044z",
        );
        check("no address: é dead beef", "no address: é dead beef");
    }

    #[test]
    fn a_table_may_be_absent_or_damaged() {
        assert_eq!(
            Symbols::parse("").resolve("0xffffffff81000044"),
            "0xffffffff81000044"
        );
        assert_eq!(
            Symbols::parse("ffffffffffffffff a\n1 b\nx").functions.len(),
            1
        );
        let dir = tempfile::tempdir().unwrap();
        let kernel = Utf8Path::from_path(dir.path()).unwrap().join("kernel");
        assert!(Symbols::next_to(&kernel).unwrap().functions.is_empty());
        fs_err::write(kernel.with_file_name(FILE), TABLE).unwrap();
        assert_eq!(Symbols::next_to(&kernel).unwrap().functions.len(), 3);
    }
}
