//! Reads a built tree of kvm-unit-tests: `cargo xtask test --suite DIR`.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::body::Body;
use crate::files::TestFile;
use crate::header::Header;
use unittests::harness::Harness;
use unittests::section::{self, Section};
use unittests::{Tree, UnitTest};

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It is not a built tree.
    #[error("`{dir}` is not a built tree of kvm-unit-tests: missing `{file}`")]
    NotBuilt {
        /// The directory.
        dir: Utf8PathBuf,
        /// The missing file.
        file: String,
    },
    /// No architecture here can run its tests.
    #[error("`{dir}` is built for `{arch}`, which Kiln has no architecture for")]
    OtherArch {
        /// The directory.
        dir: Utf8PathBuf,
        /// The architecture in its `config.mak`.
        arch: String,
    },
    /// An unsupported build configuration.
    #[error("`{dir}` is configured with `{option}`, which Kiln does not support")]
    Unsupported {
        /// The directory.
        dir: Utf8PathBuf,
        /// The line of `config.mak`.
        option: String,
    },
    /// The list of tests cannot be parsed.
    #[error("failed to parse `{file}`: {why}")]
    List {
        /// The file.
        file: Utf8PathBuf,
        /// The error.
        why: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl TreeError {
    /// The advice that fixes the error, if any.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuilt { dir, .. } if dir.join("configure").is_file() => {
                Some(format!("cd {dir} && ./configure && make"))
            }
            Self::NotBuilt { .. } => {
                Some("`docs/foreign-suites.md` describes how to build one".into())
            }
            _ => None,
        }
    }
}

/// Reads the tests of a tree. `arches` are the architectures with the target of their QEMU.
pub fn load(
    root: &Utf8Path,
    shown: &Utf8Path,
    arches: &[(String, String)],
) -> Result<Vec<TestFile>, TreeError> {
    let missing = |file: &str| TreeError::NotBuilt {
        dir: shown.to_owned(),
        file: file.to_owned(),
    };
    let config =
        fs_err::read_to_string(root.join("config.mak")).map_err(|_| missing("config.mak"))?;
    let config = variables(&config);
    let value = |name: &str| config.get(name).map(String::as_str).unwrap_or_default();
    let unsupported = |name: &str| TreeError::Unsupported {
        dir: shown.to_owned(),
        option: format!("{name}={}", value(name)),
    };
    if !matches!(value("TARGET"), "" | "qemu") {
        return Err(unsupported("TARGET"));
    }
    let target = value("ARCH_NAME");
    let named = arches.iter().find(|(name, _)| name == target);
    let (arch, _) = named
        .or_else(|| arches.iter().find(|(_, its)| its == target))
        .ok_or_else(|| TreeError::OtherArch {
            dir: shown.to_owned(),
            arch: target.to_owned(),
        })?;
    let directory = value("TEST_DIR");
    let harness = Harness::of(directory).ok_or_else(|| unsupported("TEST_DIR"))?;
    if value("CONFIG_EFI") == "y" && (harness.efi.is_none() || value("EFI_DIRECT") == "y") {
        return Err(unsupported("CONFIG_EFI"));
    }
    let list = root.join(directory).join("unittests.cfg");
    let text = fs_err::read_to_string(&list)
        .map_err(|_| missing(&format!("{directory}/unittests.cfg")))?;
    let sections = section::parse(&text).map_err(|why| TreeError::List {
        file: shown.join(directory).join("unittests.cfg"),
        why,
    })?;
    let errata = match value("ERRATATXT") {
        "" => None,
        file => Some(fs_err::read_to_string(root.join(file))?),
    };
    let tree = Arc::new(Tree {
        root: root.to_owned(),
        shown: shown.to_owned(),
        config: config.clone(),
        harness,
        errata,
    });
    let area = plain_name(root.file_name().unwrap_or_default());
    let tests = sections.into_iter().map(|section| TestFile {
        area: area.clone(),
        test: plain_name(&section.name),
        path: list.clone(),
        header: header(arch, &tree, section),
        golden: Vec::new(),
    });
    Ok(distinct(tests.collect()))
}

fn header(arch: &str, tree: &Arc<Tree>, section: Section) -> Header {
    let mut header = Header::of_body(Body::Suite(Arc::new(UnitTest {
        tree: Arc::clone(tree),
        section: section.clone(),
    })));
    header.arches = vec![arch.to_owned()];
    header.groups = section.groups;
    header
}

/// Numbers names that become equal when their characters are replaced.
fn distinct(mut tests: Vec<TestFile>) -> Vec<TestFile> {
    let mut seen = BTreeMap::new();
    for test in &mut tests {
        let count = seen.entry(test.test.clone()).or_insert(0_u32);
        *count += 1;
        if *count > 1 {
            test.test = format!("{}.{count}", test.test);
        }
    }
    tests
}

/// A name for paths and command lines.
pub(crate) fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    let name: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    match name.trim_matches('.') {
        "" => "_".to_owned(),
        name => name.to_owned(),
    }
}

/// The assignments of a `config.mak`.
fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| {
            let value = value.trim().trim_matches(['"', '\'']);
            (name.trim().to_owned(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
