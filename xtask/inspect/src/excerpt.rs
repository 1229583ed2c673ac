//! Formats the bytes around an offset for people.

/// The content at `offset`: the surrounding text if it is text, else eight bytes in hexadecimal.
pub(crate) fn excerpt(bytes: &[u8], offset: usize) -> String {
    const BEFORE: usize = 40;
    const AFTER: usize = 60;
    let printable = |byte: &&u8| matches!(byte, b' '..=b'~');
    let (head, tail) = bytes.split_at(offset.min(bytes.len()));
    let before = head.iter().rev().take(BEFORE).take_while(printable).count();
    let after = tail.iter().take(AFTER).take_while(printable).count();
    if before + after >= 4 {
        let text = &bytes[head.len() - before..head.len() + after];
        return format!("{:?}", String::from_utf8_lossy(text));
    }
    let hex: Vec<String> = tail
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if hex.is_empty() {
        "(end)".to_owned()
    } else {
        hex.join(" ")
    }
}
