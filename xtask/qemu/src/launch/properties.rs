//! Parses the comma-separated value of an option.

/// Splits at commas. A doubled comma is part of a value and stays doubled.
pub(super) fn split_commas(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, parts.last_mut()) {
            (',', Some(part)) if characters.peek() == Some(&',') => {
                characters.next();
                part.push_str(",,");
            }
            (',', _) => parts.push(String::new()),
            (other, Some(part)) => part.push(other),
            (_, None) => {}
        }
    }
    parts
}
