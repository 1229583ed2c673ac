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
    fn swapped_value_keeps_its_width() {
        assert_eq!(Width::B.swapped(0x12), 0x12);
        assert_eq!(Width::W.swapped(0x1234), 0x3412);
        assert_eq!(Width::L.swapped(0x1234_5678), 0x7856_3412);
        assert_eq!(Width::Q.swapped(1), 1 << 56);
    }
}
