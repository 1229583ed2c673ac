//! Bytes that a guest chose, made harmless for people.

use qemu::console::text::clean;

/// Plain text with its line ends.
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    clean(bytes)
}

/// One line of plain text; line ends and tabs become spaces.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    clean(bytes)
        .trim_end_matches('\n')
        .replace(['\n', '\t'], " ")
}

/// Characters of a line that are worth showing.
const SHOWN: usize = 400;

/// One line of plain text, cut where it is too long to be read.
#[must_use]
pub fn short_line(bytes: &[u8]) -> String {
    let mut text = line(bytes);
    if let Some((cut, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// The last line with something on it, made plain and short.
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
    fn nothing_that_drives_a_terminal_is_left() {
        let check = |input: &str, expect: &str| assert_eq!(line(input.as_bytes()), expect);
        check("plain text\n", "plain text");
        check("a\tb\nc\r", "a b c");
        check("\u{1b}[31mred\u{1b}[0m", "red");
        check("\u{1b}]52;c;AAAA\u{7}clip", "clip");
        assert_eq!(plain(b"one\r\n\x1b[1mtwo\n"), "one\ntwo\n");
    }

    #[test]
    fn a_line_without_end_is_cut() {
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
