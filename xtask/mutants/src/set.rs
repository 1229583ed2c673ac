//! The descriptions of mutants: TOML files in `tests/mutants/`, one per area. Pure except for
//! reading them.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::token::tokens;

/// The directory of the set, below the repository.
pub const DIRECTORY: &str = "tests/mutants";
/// Maximum number of tokens that an edit may quote from QEMU.
const MAX_TOKENS: usize = 24;

/// How likely a test of the device notices the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A plain function of the device is broken.
    Plain,
    /// An ordinary feature has a wrong effect.
    Ordinary,
    /// A path that few guests use is wrong.
    Rare,
}

impl Class {
    /// All, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Ordinary, Self::Rare];

    /// Its name in files and reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Ordinary => "ordinary",
            Self::Rare => "rare",
        }
    }
}

/// A fault to insert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The name, unique in the set. The value of `KILN_MUTANT`.
    pub name: String,
    /// The area, which is the name of the file.
    #[serde(skip_deserializing)]
    pub area: String,
    /// The device, as tests declare it.
    pub device: String,
    /// The file, below QEMU's source tree.
    pub file: String,
    /// The function with the fault.
    pub function: String,
    /// How hard the fault is to notice.
    pub class: Class,
    /// What goes wrong, in one line.
    pub description: String,
    /// The replaced tokens, which occur once in the function.
    pub find: String,
    /// What replaces them.
    pub replace: String,
    /// The architectures that have the device, empty for all.
    #[serde(default)]
    pub arch: Vec<String>,
    /// An expression that selects the tests of a device that no test declares, such as a part of
    /// the machine.
    #[serde(default)]
    pub tests: Option<String>,
}

impl Mutant {
    /// The expression that selects its tests.
    #[must_use]
    pub fn expression(&self) -> String {
        let own = self.tests.clone();
        own.unwrap_or_else(|| format!("device(={})", self.device))
    }

    /// Whether an architecture has its device.
    #[must_use]
    pub fn is_for(&self, arch: &str) -> bool {
        self.arch.is_empty() || self.arch.iter().any(|name| name == arch)
    }

    fn problem(&self) -> Option<String> {
        let is_name_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || !self.name.bytes().all(is_name_byte) {
            return Some("a name has lower-case letters, digits and hyphens".to_owned());
        }
        let (find, replace) = (tokens(&self.find), tokens(&self.replace));
        if find.is_empty() || find.len() > MAX_TOKENS {
            let found = find.len();
            return Some(format!(
                "expected 1 to {MAX_TOKENS} tokens in `find`, found {found}"
            ));
        }
        let texts = |tokens: &[crate::token::Token<'_>]| -> Vec<String> {
            tokens.iter().map(|token| token.text.to_owned()).collect()
        };
        (texts(&find) == texts(&replace)).then(|| "`find` and `replace` are equal".to_owned())
    }
}

/// Why the set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// It cannot be read.
    #[error("failed to read the mutants")]
    Read(#[from] io::Error),
    /// A file is malformed.
    #[error("failed to parse `{file}`: {cause}")]
    Parse {
        /// The file.
        file: Utf8PathBuf,
        /// The location and the cause.
        cause: String,
    },
    /// A mutant is invalid.
    #[error("mutant `{name}` in `{file}`: {problem}")]
    Mutant {
        /// The mutant.
        name: String,
        /// Its file.
        file: Utf8PathBuf,
        /// The problem.
        problem: String,
    },
    /// No mutant is selected.
    #[error("no mutant has `{filter}` in its name{area}")]
    None {
        /// The requested name.
        filter: String,
        /// The requested area.
        area: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutant: Vec<Mutant>,
}

/// A selection of the set.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Areas, empty for all.
    pub areas: Vec<String>,
    /// Parts of names, empty for all.
    pub names: Vec<String>,
}

/// Reads the set of a repository, and selects from it.
pub fn read(root: &Utf8Path, selection: &Selection) -> Result<Vec<Mutant>, SetError> {
    let mut all = Vec::new();
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    for entry in root.join(DIRECTORY).read_dir_utf8()? {
        let path = entry?.into_path();
        if path.extension() == Some("toml") {
            files.push(path);
        }
    }
    files.sort();
    for path in files {
        let text = fs::read_to_string(&path)?;
        let file = path.strip_prefix(root).unwrap_or(&path);
        all.extend(parse(file, &text)?);
    }
    let mut seen = BTreeMap::new();
    for mutant in &all {
        if let Some(area) = seen.insert(mutant.name.clone(), mutant.area.clone()) {
            return Err(SetError::Mutant {
                name: mutant.name.clone(),
                file: format!("{DIRECTORY}/{}.toml", mutant.area).into(),
                problem: format!("`{area}` has a mutant of this name too"),
            });
        }
    }
    select(all, selection)
}

fn select(mut all: Vec<Mutant>, selection: &Selection) -> Result<Vec<Mutant>, SetError> {
    let Selection { areas, names } = selection;
    all.retain(|mutant| areas.is_empty() || areas.contains(&mutant.area));
    all.retain(|mutant| names.is_empty() || names.iter().any(|part| mutant.name.contains(part)));
    if all.is_empty() {
        let area = match &areas[..] {
            [] => String::new(),
            areas => format!(" in {}", areas.join(", ")),
        };
        let filter = names.join(", ");
        return Err(SetError::None { filter, area });
    }
    Ok(all)
}

fn parse(file: &Utf8Path, text: &str) -> Result<Vec<Mutant>, SetError> {
    let parsed: Result<File, _> = toml::from_str(text);
    let mut mutants = parsed
        .map_err(|error| SetError::Parse {
            file: file.to_owned(),
            cause: error.to_string(),
        })?
        .mutant;
    for mutant in &mut mutants {
        file.file_stem()
            .unwrap_or_default()
            .clone_into(&mut mutant.area);
        if let Some(problem) = mutant.problem() {
            return Err(SetError::Mutant {
                name: mutant.name.clone(),
                file: file.to_owned(),
                problem,
            });
        }
    }
    Ok(mutants)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A mutant of `hw/disk.c`.
    pub(crate) fn mutant(name: &str) -> Mutant {
        Mutant {
            name: name.to_owned(),
            area: "block".to_owned(),
            device: "disk".to_owned(),
            file: "hw/disk.c".to_owned(),
            function: "flush".to_owned(),
            class: Class::Ordinary,
            description: "a flush does nothing".to_owned(),
            find: "sync_disk(disk, 0)".to_owned(),
            replace: "0".to_owned(),
            arch: Vec::new(),
            tests: None,
        }
    }

    fn text(name: &str, find: &str) -> String {
        format!(
            "[[mutant]]\nname = \"{name}\"\ndevice = \"disk\"\nfile = \"hw/disk.c\"\nfunction = \"flush\"\n\
             class = \"ordinary\"\ndescription = \"a flush does nothing\"\nfind = \"{find}\"\nreplace = \"0\"\n"
        )
    }

    #[test]
    fn file_gives_the_area() {
        let parsed = parse(
            "tests/mutants/block.toml".into(),
            &text("one", "sync_disk(disk, 0)"),
        );
        assert_eq!(parsed.unwrap(), [mutant("one")]);
    }

    #[test]
    fn unusable_mutant_is_an_error() {
        let check = |text: &str, expect: &str| {
            let error = parse("block.toml".into(), text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(
            &text("One", "a"),
            "mutant `One` in `block.toml`: a name has",
        );
        check(
            &text("one", ""),
            "expected 1 to 24 tokens in `find`, found 0",
        );
        check(&text("one", &"a ".repeat(25)), "found 25");
        check(&text("one", " 0 "), "`find` and `replace` are equal");
        check("[[mutant]]\nname = 1\n", "failed to parse `block.toml`");
    }

    #[test]
    fn selection_is_by_area_and_name() {
        let all = || {
            vec![
                mutant("one"),
                Mutant {
                    area: "net".to_owned(),
                    ..mutant("two")
                },
            ]
        };
        let check = |areas: &[&str], names: &[&str], expect: Option<&[&str]>| {
            let owned = |list: &[&str]| list.iter().map(|part| (*part).to_owned()).collect();
            let selection = Selection {
                areas: owned(areas),
                names: owned(names),
            };
            let found = select(all(), &selection).ok();
            let found = found.map(|all| all.into_iter().map(|one| one.name).collect::<Vec<_>>());
            assert_eq!(
                found.as_deref(),
                expect
                    .map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
                    .as_deref()
            );
        };
        check(&[], &[], Some(&["one", "two"]));
        check(&["net"], &[], Some(&["two"]));
        check(&[], &["ne"], Some(&["one"]));
        check(&["net"], &["ne"], None);
    }

    #[test]
    fn tests_are_those_that_declare_the_device() {
        assert_eq!(mutant("one").expression(), "device(=disk)");
        let own = Mutant {
            tests: Some("test(timer)".to_owned()),
            ..mutant("one")
        };
        assert_eq!(own.expression(), "test(timer)");
        assert!(own.is_for("any"));
        assert!(
            !Mutant {
                arch: vec!["other".to_owned()],
                ..own
            }
            .is_for("any")
        );
    }
}
