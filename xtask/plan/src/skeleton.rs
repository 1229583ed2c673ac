//! Creates the files of a new target from those of another one. Used by `cargo xtask target new`.
//! The properties of the new target are unknown: [`CHECK`] lists what the user must check.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use toml_edit::{DocumentMut, value};

/// The keys with values of the other target, and their meanings.
pub const CHECK: [(&str, &str); 9] = [
    ("triple", "the target triple of the compiler"),
    ("endian, bits", "byte order and word size of programs"),
    (
        "uname",
        "what `uname -m` prints, if not the name of the target",
    ),
    ("gdb", "the name of the architecture in gdb"),
    ("gcc", "processor and ABI, as options of gcc's configure"),
    (
        "linux",
        "the kernel's name of the architecture, the make target, the file that boots",
    ),
    (
        "archive",
        "alignment of instructions, for a smaller archive",
    ),
    ("qemu", "QEMU binary, machine, console on the command line"),
    (
        "qemu.machines",
        "lean options, control device, suffix of virtio devices, hotplug slots",
    ),
];

/// Why a target cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkeletonError {
    /// The name cannot be part of a file name and a test name.
    #[error("`{0}` is not a name: expected lowercase letters, digits and `_`, a letter first")]
    Name(String),
    /// The file of the other target is not valid TOML.
    #[error("failed to read `images/{other}.toml`: {why}")]
    Other {
        /// The other target.
        other: String,
        /// The location and the cause.
        why: String,
    },
}

/// The files of the target `name` by their path in the repository. `file` and `fragment` are the
/// target file and the kernel fragment of `other`. Their comments are kept.
pub fn files(
    name: &str,
    other: &str,
    file: &str,
    fragment: &str,
) -> Result<BTreeMap<Utf8PathBuf, String>, SkeletonError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_allowed) {
        return Err(SkeletonError::Name(name.to_owned()));
    }
    let mut document: DocumentMut = file.parse().map_err(|error: toml_edit::TomlError| {
        let (other, why) = (other.to_owned(), error.to_string());
        SkeletonError::Other { other, why }
    })?;
    document["arch"] = value(name);
    // An image must be built before it can be in the repository.
    document["prebuilt"] = value(false);
    document["default"] = value(false);
    let folder = Utf8PathBuf::from("images").join(name);
    let target = Utf8PathBuf::from(format!("images/{name}.toml"));
    Ok(BTreeMap::from([
        (target, document.to_string()),
        (folder.join("linux.fragment"), fragment.to_owned()),
        // `--refreeze` writes it.
        (folder.join("linux.config"), String::new()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &str = "# A target.\narch = \"alpha\"\nbits = 64\n\n[gcc]\nconfigure = []\n";

    #[test]
    fn files_keep_comments_and_layout() {
        let files = files("beta", "alpha", OTHER, "CONFIG_ALPHA=y\n").unwrap();
        let text = files
            .iter()
            .map(|(path, text)| format!("--- {path}\n{text}"));
        insta::assert_snapshot!(text.collect::<String>(), @r#"
        --- images/beta/linux.config
        --- images/beta/linux.fragment
        CONFIG_ALPHA=y
        --- images/beta.toml
        # A target.
        arch = "beta"
        bits = 64
        prebuilt = false
        default = false

        [gcc]
        configure = []
        "#);
    }

    #[test]
    fn invalid_names_and_files_are_refused() {
        let check = |name: &str, file: &str, expect: &str| {
            let error = files(name, "alpha", file, "").unwrap_err();
            assert!(error.to_string().starts_with(expect), "{error}");
        };
        for name in ["", "../beta", "Beta", "6502", "be-ta", "all the rest"] {
            check(name, OTHER, &format!("`{name}` is not a name"));
        }
        check("beta", "arch =", "failed to read `images/alpha.toml`: ");
    }
}
