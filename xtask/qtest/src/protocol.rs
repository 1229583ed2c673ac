//! The lines of the qtest protocol, as QEMU's `system/qtest.c` reads and writes them. Pure.

/// The width of an access, by its letter in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    B,
    /// Two bytes.
    W,
    /// Four bytes.
    L,
    /// Eight bytes; memory only.
    Q,
}

impl Width {
    /// The letter in the names of commands.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::B => 'b',
            Self::W => 'w',
            Self::L => 'l',
            Self::Q => 'q',
        }
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> u8 {
        match self {
            Self::B => 1,
            Self::W => 2,
            Self::L => 4,
            Self::Q => 8,
        }
    }

    /// Reverses the bytes of a value of this width.
    #[must_use]
    pub fn swapped(self, value: u64) -> u64 {
        value.swap_bytes() >> (64 - 8 * self.bytes())
    }
}

/// An interrupt line that changed, after `irq_intercept_in` or `irq_intercept_out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Irq {
    /// Number of the line.
    pub line: u32,
    /// The new state.
    pub raised: bool,
}

/// A line from QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The command was executed. Contains the text after `OK`.
    Ok(String),
    /// The command failed. Contains the text after `FAIL` or `ERR`.
    Refused(String),
    /// An interrupt line changed. This is not a reply.
    Irq(Irq),
    /// Not part of the protocol.
    Unknown(String),
}

/// Parses a line from QEMU, without its newline.
#[must_use]
pub fn read_line(line: &str) -> Line {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match first {
        "OK" => Line::Ok(rest.to_owned()),
        "FAIL" | "ERR" => Line::Refused(rest.to_owned()),
        "IRQ" => parse_irq(rest).map_or_else(|| Line::Unknown(line.to_owned()), Line::Irq),
        _ => Line::Unknown(line.to_owned()),
    }
}

/// `raise 4` or `lower 4`.
fn parse_irq(text: &str) -> Option<Irq> {
    let (what, line) = text.split_once(' ')?;
    let raised = match what {
        "raise" => true,
        "lower" => false,
        _ => return None,
    };
    let line = line.trim().parse().ok()?;
    Some(Irq { line, raised })
}

/// The `write` command for some bytes.
#[must_use]
pub fn write_command(address: u64, bytes: &[u8]) -> String {
    format!("write {address:#x} {:#x} {}", bytes.len(), hex(bytes))
}

/// The `read` command for a block.
#[must_use]
pub fn read_command(address: u64, length: usize) -> String {
    format!("read {address:#x} {length:#x}")
}

/// Bytes as the protocol writes them: `0x00ff`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = b"0x".to_vec();
    text.reserve(2 * bytes.len());
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        text.extend_from_slice(&[DIGITS[high], DIGITS[low]]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as `b64write` expects them (RFC 4648, section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            text.push(if digit <= group.len() {
                char::from(BASE64[(bits >> (18 - 6 * digit) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Parses the reply of `b64read`.
#[must_use]
pub fn base64_bytes(reply: &str) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(reply.len() / 4 * 3);
    let (groups, rest) = reply.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|it| **it == b'=').count();
        let is_last = index + 1 == groups.len();
        if padding > 2 || padding > 0 && !is_last {
            return None;
        }
        let mut bits = 0;
        for digit in &group[..4 - padding] {
            let value = BASE64.iter().position(|it| it == digit)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let bytes = (bits << (6 * padding)).to_be_bytes();
        all.extend(&bytes[1..4 - padding]);
    }
    Some(all)
}

/// Parses a number in a reply: `0x0000...2a`, or decimal as for `clock_step`.
#[must_use]
pub fn number(reply: &str) -> Option<u64> {
    match reply.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => reply.parse().ok(),
    }
}

/// Parses bytes in a reply: `0x00ff`.
#[must_use]
pub fn bytes(reply: &str) -> Option<Vec<u8>> {
    let digits = reply.strip_prefix("0x").filter(|hex| hex.is_ascii())?;
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_from_qemu_are_parsed() {
        let check = |line: &str, expect: Line| assert_eq!(read_line(line), expect, "{line}");
        let irq = |line, raised| Line::Irq(Irq { line, raised });
        let unknown = |line: &str| Line::Unknown(line.to_owned());
        check("OK", Line::Ok(String::new()));
        check("OK 0x2a", Line::Ok("0x2a".to_owned()));
        check("OKAY", unknown("OKAY"));
        check(
            "FAIL Unknown command 'x'",
            Line::Refused("Unknown command 'x'".to_owned()),
        );
        check("ERR", Line::Refused(String::new()));
        check("IRQ raise 4", irq(4, true));
        check("IRQ lower 16", irq(16, false));
        for line in [
            "IRQ bounce 1",
            "IRQ raise",
            "IRQ raise x",
            "",
            "qemu: hello",
        ] {
            check(line, unknown(line));
        }
    }

    #[test]
    fn numbers_and_bytes_of_replies_are_read() {
        assert_eq!(number("0x000000000000002a"), Some(42));
        assert_eq!(number("1000000"), Some(1_000_000));
        assert_eq!(number("0xg"), None);
        assert_eq!(bytes("0x00ff7a"), Some(vec![0, 255, 0x7a]));
        assert_eq!(hex(&[0, 255, 0x7a]), "0x00ff7a");
        assert_eq!(bytes("00"), None);
        assert_eq!(bytes("0x0"), None);
        assert_eq!(bytes("0x0g"), None);
        assert_eq!(bytes("0xé0"), None);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let check = |bytes: &[u8], text: &str| {
            assert_eq!(base64(bytes), text);
            assert_eq!(base64_bytes(text).as_deref(), Some(bytes), "{text}");
        };
        check(b"", "");
        check(b"f", "Zg==");
        check(b"fo", "Zm8=");
        check(b"foo", "Zm9v");
        check(b"foobar", "Zm9vYmFy");
        check(&[0xfb, 0xff, 0xfe], "+//+");
        for text in ["Zg=", "Zg", "Z===", "Zg==Zg==", "Zm9*", "===="] {
            assert_eq!(base64_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn swapped_value_keeps_its_width() {
        assert_eq!(Width::B.swapped(0x12), 0x12);
        assert_eq!(Width::W.swapped(0x1234), 0x3412);
        assert_eq!(Width::L.swapped(0x1234_5678), 0x7856_3412);
        assert_eq!(Width::Q.swapped(1), 1 << 56);
    }
}
