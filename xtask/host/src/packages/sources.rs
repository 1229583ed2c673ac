//! apt's configured sources, old style and new: enough of both to repeat one with another suite.
//!
//! Formats: sources.list(5). Options that do not matter for a further suite are passed over.

use std::fmt::Write as _;

/// One enabled entry for binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// Bases, in order.
    pub uris: Vec<String>,
    /// Such as `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// Such as `main`.
    pub components: Vec<String>,
    /// Keyring path, fingerprint or embedded key; continuation lines keep their form.
    pub signed_by: Option<String>,
    /// `Trusted: yes` was set.
    pub trusted: bool,
}

impl SourceEntry {
    /// The entry that has `suite` with the component `main`.
    pub(super) fn of_suite<'a>(entries: &'a [Self], suite: &str) -> Option<&'a Self> {
        entries.iter().find(|entry| {
            entry.suites.iter().any(|known| known == suite)
                && entry.components.iter().any(|component| component == "main")
        })
    }

    /// The file for another suite of the same archive: same bases, same keyring.
    pub(super) fn with_suite(&self, suite: &str) -> String {
        let mut text = format!(
            "# Written by `cargo xtask setup`; remove this file to undo it.\n\
             Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n",
            self.uris.join(" ")
        );
        if let Some(key) = &self.signed_by {
            // Writing to a string does not fail.
            let _ = writeln!(text, "Signed-By: {key}");
        }
        if self.trusted {
            text.push_str("Trusted: yes\n");
        }
        text
    }
}

/// Reads a `*.sources` file (deb822).
#[must_use]
pub fn parse_deb822(text: &str) -> Vec<SourceEntry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            entries.extend(entry_of(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

/// One stanza; `None` when it is switched off, incomplete, or for source packages only.
fn entry_of(fields: &[(String, String)]) -> Option<SourceEntry> {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let words = |name: &str| -> Vec<String> {
        field(name)
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    if field("enabled").is_some_and(is_no) || !words("types").iter().any(|kind| kind == "deb") {
        return None;
    }
    let (uris, suites) = (words("uris"), words("suites"));
    let components = words("components");
    let signed_by = field("signed-by")
        .filter(|key| !key.is_empty())
        .map(str::to_owned);
    let trusted = field("trusted").is_some_and(is_yes);
    let whole = !uris.is_empty() && !suites.is_empty();
    whole.then_some(SourceEntry {
        uris,
        suites,
        components,
        signed_by,
        trusted,
    })
}

/// Reads `sources.list` or a `*.list` file (one line an entry).
#[must_use]
pub fn parse_list(text: &str) -> Vec<SourceEntry> {
    text.lines()
        .filter_map(|line| parse_line(line.split('#').next().unwrap_or_default()))
        .collect()
}

fn parse_line(line: &str) -> Option<SourceEntry> {
    let rest = line.trim().strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let option = |wanted: &str| {
        let pairs = options
            .split_whitespace()
            .filter_map(|option| option.split_once('='));
        pairs
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned())
            .next()
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    Some(SourceEntry {
        uris: vec![uri],
        suites: vec![suite],
        components: words.collect(),
        // A list of keyrings is parted by commas here, by blanks in the other format.
        signed_by: option("signed-by").map(|key| key.replace(',', " ")),
        trusted: option("trusted").as_deref().is_some_and(is_yes),
    })
}

fn is_yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "yes" | "true" | "1" | "on" | "with" | "enable"
    )
}

fn is_no(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "no" | "false" | "0" | "off" | "without" | "disable"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tests compare: bases, suites, components, keyring, trusted.
    fn shape(entries: &[SourceEntry]) -> Vec<String> {
        let line = |entry: &SourceEntry| {
            let key = entry.signed_by.as_deref().unwrap_or("-");
            let words =
                [&entry.uris, &entry.suites, &entry.components].map(|words| words.join("+"));
            format!("{} {} {}", words.join(" "), key, entry.trusted)
        };
        entries.iter().map(line).collect()
    }

    #[test]
    fn disabled_stanzas_are_not_read() {
        let text = "\
Types: deb
# a comment between the fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

types: deb deb-src
uris: http://a.example/ http://b.example/
suites: bookworm-security
components: main contrib

Enabled: no
Types: deb
URIs: http://off.example/
Suites: bookworm-backports
Components: main

Types: deb-src
URIs: http://src.example/
Suites: bookworm
Components: main

Types: deb
URIs: file:/flat
Suites: ./
Trusted: yes
";
        let expect = [
            "http://mirror.example/debian bookworm+bookworm-updates main /usr/share/keyrings/debian-archive-keyring.gpg false",
            "http://a.example/+http://b.example/ bookworm-security main+contrib - false",
            "file:/flat ./  - true",
        ];
        assert_eq!(shape(&parse_deb822(text)), expect);
    }

    #[test]
    fn lines_are_read_with_their_options() {
        let text = "\
# deb http://off.example/ bookworm main
deb http://mirror.example/debian bookworm main contrib # the archive
deb\t[arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://second.example/ jammy universe
deb [ trusted=yes ] file:/flat ./
deb-src http://src.example/ bookworm main
debris
deb [broken http://x y z
deb http://lonely.example/
";
        let expect = [
            "http://mirror.example/debian bookworm main+contrib - false",
            "http://second.example/ jammy universe /k/a.gpg /k/b.gpg false",
            "file:/flat ./  - true",
        ];
        assert_eq!(shape(&parse_list(text)), expect);
    }

    #[test]
    fn additional_suite_keeps_bases_and_keys() {
        let text = "\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main non-free
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY
 -----END PGP PUBLIC KEY BLOCK-----
";
        let entries = parse_deb822(text);
        assert_eq!(SourceEntry::of_suite(&entries, "trixie"), None);
        let entry = SourceEntry::of_suite(&entries, "bookworm").expect("is there");
        insta::assert_snapshot!(entry.with_suite("bookworm-backports"));
        // What is written reads back as one entry with the same key.
        let again = parse_deb822(&entry.with_suite("bookworm-backports"));
        assert_eq!(again[0].signed_by, entry.signed_by);
        assert_eq!(again[0].suites, ["bookworm-backports"]);
    }
}
