//! Converts bytes from a guest to text that is safe to print.

use qemu::console::text::clean;

/// Plain text with its newlines.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    clean(bytes)
}

/// One line of plain text. Newlines and tabs become spaces.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    clean(bytes)
        .trim_end_matches('\n')
        .replace(['\n', '\t'], " ")
}

/// Maximum number of characters of a short line.
const SHOWN: usize = 400;

/// One line of plain text, cut after [`SHOWN`] characters.
#[must_use]
pub fn short_line(bytes: &[u8]) -> String {
    let mut text = line(bytes);
    if let Some((cut, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// The last line that is not empty, as short plain text.
#[must_use]
pub fn last_line(bytes: &[u8]) -> Option<String> {
    let lines = bytes.rsplit(|&byte| byte == b'\n').map(short_line);
    lines
        .map(|line| line.trim().to_owned())
        .find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_are_removed() {
        let check = |input: &str, expect: &str| assert_eq!(line(input.as_bytes()), expect);
        check("plain text\n", "plain text");
        check("a\tb\nc\r", "a b c");
        check("\u{1b}[31mred\u{1b}[0m", "red");
        check("\u{1b}]52;c;AAAA\u{7}clip", "clip");
        assert_eq!(plain(b"one\r\n\x1b[1mtwo\n"), "one\ntwo\n");
    }

    #[test]
    fn long_line_is_cut() {
        assert_eq!(short_line("é".repeat(400).as_bytes()), "é".repeat(400));
        assert_eq!(
            short_line("é".repeat(9000).as_bytes()),
            "é".repeat(400) + "…"
        );
    }

    #[test]
    fn last_line_ignores_empty_lines() {
        assert_eq!(last_line(b"one\ntwo\n\n  \n").as_deref(), Some("two"));
        assert_eq!(last_line(b"\n\n"), None);
    }
}
