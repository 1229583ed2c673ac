//! Interprets a positional argument of `cargo xtask test`: the exact name of a test, the path of
//! its file, or a part of test names.

use camino::{Utf8Component, Utf8Path};

use crate::bare;

/// The context for interpretation.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The folder of the tests, such as `guest-tests`.
    pub dir: &'a Utf8Path,
    /// The names of all tests, without architectures.
    pub all: &'a [String],
    /// The base of relative paths.
    pub here: &'a Utf8Path,
}

/// A test's name, or a part of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// The full name, with or without the architecture.
    Exact(String),
    /// Any part of the full name.
    Part(String),
}

impl Pattern {
    /// Interprets a text. With `exact` it is a full name.
    #[must_use]
    pub fn parse(text: &str, exact: bool, names: Names<'_>) -> Self {
        if exact {
            return Self::Exact(text.to_owned());
        }
        let is_path = text.contains('/') || Utf8Path::new(text).extension() == Some("sh");
        let text = match is_path.then(|| name_of_path(text, names.dir, names.here)) {
            Some(Some(name)) => name,
            _ => text.to_owned(),
        };
        // An exact name takes precedence over names that contain it.
        let is_name = names.all.iter().any(|name| {
            let before = text.strip_suffix(name.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with("::"))
        });
        if is_name {
            Self::Exact(text)
        } else {
            Self::Part(text)
        }
    }

    /// Whether it selects a test, by its full name and its name without the architecture.
    #[must_use]
    pub fn matches(&self, whole: &str, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == whole || text == name,
            Self::Part(text) => whole.contains(text.as_str()),
        }
    }
}

/// Converts `guest-tests/block/nvme.sh`, `block/nvme`, or an absolute path to `block::nvme`. A
/// folder becomes the beginning of its tests' names.
fn name_of_path(text: &str, dir: &Utf8Path, here: &Utf8Path) -> Option<String> {
    let whole = normal(&here.join(text));
    let below = whole.strip_prefix(dir).map(Utf8Path::to_owned);
    let path = below.unwrap_or_else(|_| {
        let path = normal(Utf8Path::new(text));
        let folder = dir.file_name().unwrap_or_default();
        path.strip_prefix(folder).unwrap_or(&path).to_owned()
    });
    let mut parts = path.components().map(|part| part.as_str().to_owned());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(area), None, None) => Some(format!("::{area}::")),
        (Some(area), Some(file), None) => {
            let name = file.strip_suffix(".sh").unwrap_or(&file);
            Some(format!("{area}::{name}"))
        }
        (Some(area), Some(name), Some(_)) if area == bare::AREA => Some(format!("{area}::{name}")),
        _ => None,
    }
}

/// Removes `.` and `..` without resolving links.
fn normal(path: &Utf8Path) -> camino::Utf8PathBuf {
    let mut normal = camino::Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_paths_and_parts_are_distinguished() {
        let all = ["block::nvme".to_owned(), "block::nvme-two".to_owned()];
        let top = Utf8Path::new("/kiln");
        let parse = |text: &str, exact, here: &Utf8Path| {
            let names = Names {
                dir: Utf8Path::new("/kiln/guest-tests"),
                all: &all,
                here,
            };
            Pattern::parse(text, exact, names)
        };
        let check = |text: &str, here: &str, expect: Pattern| {
            let text = text.replace("TOP", top.as_str());
            let found = parse(&text, false, &top.join(here));
            assert_eq!(found, expect, "{text} in {here}");
        };
        let exact = |text: &str| Pattern::Exact(text.to_owned());
        let part = |text: &str| Pattern::Part(text.to_owned());
        check("block::nvme", "", exact("block::nvme"));
        check("x86_64::block::nvme", "", exact("x86_64::block::nvme"));
        check("nvme", "", part("nvme"));
        check("lock::nvme", "", part("lock::nvme"));
        check("block::nvm", "", part("block::nvm"));
        for text in [
            "guest-tests/block/nvme.sh",
            "./guest-tests//block/nvme.sh",
            "TOP/guest-tests/block/nvme.sh",
            "block/nvme",
            "block/nvme.sh",
        ] {
            check(text, "", exact("block::nvme"));
        }
        check("nvme.sh", "guest-tests/block", exact("block::nvme"));
        check("../block/nvme.sh", "guest-tests/boot", exact("block::nvme"));
        check("block/nvm", "", part("block::nvm"));
        check("guest-tests/block/", "", part("::block::"));
        check("a/b/c/d", "", part("a/b/c/d"));
        let found = parse("nvme", true, top);
        assert_eq!(found, exact("nvme"));
    }

    #[test]
    fn exact_pattern_matches_with_and_without_architecture() {
        for (pattern, expect) in [
            (Pattern::Exact("a::b".to_owned()), true),
            (Pattern::Exact("x::a::b".to_owned()), true),
            (Pattern::Exact("y::a::b".to_owned()), false),
            (Pattern::Exact("a::".to_owned()), false),
            (Pattern::Part("a::".to_owned()), true),
            (Pattern::Part("::c".to_owned()), false),
        ] {
            assert_eq!(pattern.matches("x::a::b", "a::b"), expect, "{pattern:?}");
        }
    }
}
