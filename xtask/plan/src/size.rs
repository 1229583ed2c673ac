//! Sizes with QEMU's suffixes.

/// Parses `64M` into bytes. K, M and G are powers of 1024, as in QEMU. Zero is not allowed.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let (number, shift) = match text.char_indices().next_back()? {
        (at, 'K' | 'k') => (&text[..at], 10),
        (at, 'M' | 'm') => (&text[..at], 20),
        (at, 'G' | 'g') => (&text[..at], 30),
        _ => (text, 0),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = plain.then(|| number.parse().ok())??;
    number.checked_mul(1 << shift).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn suffixes_are_powers_of_1024() {
        for (text, expect) in [
            ("512", Some(512)),
            ("64M", Some(64 << 20)),
            ("2g", Some(2 << 30)),
            ("0", None),
            ("-1", None),
            ("M", None),
            ("1T", None),
            ("17179869184G", None),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
    }
}
