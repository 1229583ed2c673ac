//! Makes guest output safe for a terminal: no byte of a guest controls it.
//!
//! Files and comparisons keep the raw bytes.

/// The position of the scan in an escape sequence (ECMA-48 section 5.3, 5.4, 5.6).
#[derive(Clone, Copy, PartialEq)]
enum At {
    Text,
    Escape,
    /// After `ESC [`, until a final character.
    Control,
    /// Operating system command, device control and other strings, until ST or BEL.
    String,
    /// An `ESC` inside a string: `\` ends it.
    StringEscape,
}

/// Text without control characters, escape sequences and direction overrides. Keeps tabs and line
/// feeds. Bytes that are not UTF-8 become U+FFFD. A line feed ends any sequence.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    let mut at = At::Text;
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        if character == '\n' {
            at = At::Text;
            text.push('\n');
            continue;
        }
        let before = at;
        at = match at {
            At::Text => start(character),
            At::String if matches!(character, '\u{7}' | '\u{9c}') => At::Text,
            At::String if character == '\u{1b}' => At::StringEscape,
            At::String => At::String,
            At::StringEscape if character == '\\' => At::Text,
            // Any other escape in a string begins a new sequence.
            At::Escape | At::StringEscape => match character {
                '[' => At::Control,
                'P' | 'X' | ']' | '^' | '_' => At::String,
                // Intermediate characters continue the sequence.
                ' '..='/' => At::Escape,
                '0'..='~' => At::Text,
                _ => start(character),
            },
            At::Control => match character {
                ' '..='?' => At::Control,
                '@'..='~' => At::Text,
                _ => start(character),
            },
        };
        // The character that ends a sequence is part of it. A character that cannot be part of it
        // is text.
        let is_text = at == At::Text && (before == At::Text || !belongs(before, character));
        if is_text && (character == '\t' || !is_unsafe(character)) {
            text.push(character);
        }
    }
    text
}

/// The state after a character outside any sequence.
fn start(character: char) -> At {
    match character {
        '\u{1b}' => At::Escape,
        '\u{9b}' => At::Control,
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => At::String,
        _ => At::Text,
    }
}

/// Whether a character can be part of the current sequence.
fn belongs(at: At, character: char) -> bool {
    at == At::String || matches!(character, ' '..='~')
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        // Direction marks, embeddings, overrides and isolates reorder displayed text. Line and
        // paragraph separators break lines in some terminals and formats.
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn guest_output_is_made_safe_for_terminals() {
        let check = |bytes: &[u8], expect: &str| {
            assert_eq!(clean(bytes), expect, "{}", bytes.escape_ascii());
        };
        check(b"plain\ttext\n", "plain\ttext\n");
        check("Grüße, 世界".as_bytes(), "Grüße, 世界");
        check(b"a\r\nb\rc", "a\nbc");
        check(b"\x1b[1;31mred\x1b[0m", "red");
        check(b"\x1bc\x1b[?7l\x1b[2J\x1b(B>", ">");
        check(b"\x1b]0;title\x07x", "x");
        check(b"\x1b]52;c;ZXZpbA==\x1b\\x", "x");
        check(b"\x1bPq#0\x1b\\x", "x");
        check(b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link");
        check("\u{9b}31mx\u{9d}0;t\u{9c}y".as_bytes(), "xy");
        check(b"\x9b31mx", "\u{fffd}31mx");
        check(b"\x1b]0;never ended\nnext", "\nnext");
        check(b"\x1b", "");
        check(b"\x1b\x1b[31mx", "x");
        check(b"\x1b[31\x1b[0mx", "x");
        check(b"bell\x07 back\x08 del\x7f nul\0", "bell back del nul");
        check("a\u{202e}b\u{2066}c\u{2028}d".as_bytes(), "abcd");
        check(b"\xff\xfe", "\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_become_text_without_controls(bytes: Vec<u8>) {
            let text = clean(&bytes);
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !is_unsafe(c)));
            prop_assert_eq!(clean(text.as_bytes()), text);
        }
    }
}
