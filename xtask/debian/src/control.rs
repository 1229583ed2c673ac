//! Control files of Debian packages and archives (Debian Policy, chapter 5): paragraphs of fields.

use std::collections::BTreeMap;

/// One paragraph: its fields by name, with the text between them unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paragraph {
    fields: BTreeMap<String, String>,
}

impl Paragraph {
    /// The value of a field. Lines of a value are separated by newlines, without their indentation.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// The paragraphs of a file, which empty lines separate. Lines without a field name are ignored.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph> {
    text.split("\n\n").filter_map(|text| {
        let mut paragraph = Paragraph::default();
        let mut last: Option<&mut String> = None;
        for line in text.lines() {
            if let Some(more) = line.strip_prefix([' ', '\t']) {
                if let Some(value) = &mut last {
                    value.push('\n');
                    value.push_str(more.trim_end());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                let value = value.trim().to_owned();
                last = Some(paragraph.fields.entry(name.to_owned()).or_insert(value));
            }
        }
        (!paragraph.fields.is_empty()).then_some(paragraph)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continued_lines_are_read() {
        let text =
            "Package: a\nSHA256:\n 12 34 main/Packages\n 56 78 main/Sources\n\n\nPackage: b\n";
        let read: Vec<Paragraph> = paragraphs(text).collect();
        assert_eq!(read.len(), 2);
        let sums = read[0].get("SHA256");
        assert_eq!(sums, Some("\n12 34 main/Packages\n56 78 main/Sources"));
        assert_eq!(read[1].get("Package"), Some("b"));
        assert_eq!(read[1].get("Version"), None);
    }
}
