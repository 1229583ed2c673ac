//! Finds the checkout of Kiln that a command works on: the one that `cargo run` sets, else the one
//! around the working directory, else the one whose `target` directory contains this program. The
//! last case is for programs that run elsewhere, such as `git bisect run` in a QEMU tree. A
//! compiled-in path would become outdated.

use camino::{Utf8Path, Utf8PathBuf};
use host::env::Env;

/// The folders that identify a checkout.
const FOLDERS: [&str; 2] = ["recipes", "images"];
/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why no checkout can be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckoutError {
    /// Neither the working directory nor this program is in a checkout.
    #[error("failed to find a checkout of Kiln: `{0}` is not in one")]
    NotFound(Utf8PathBuf),
    /// The checkout was made for another version of this program.
    #[error(
        "expected Kiln {found}, as in the checkout `{root}`, found Kiln {VERSION}: `{program}`"
    )]
    Version {
        /// The checkout.
        root: Utf8PathBuf,
        /// Its version.
        found: String,
        /// This program.
        program: Utf8PathBuf,
    },
}

impl CheckoutError {
    /// The command that fixes the error.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NotFound(_) => "cd to a checkout of Kiln, and run `cargo xtask`".to_owned(),
            Self::Version { root, .. } => {
                let root = host::process::command::quote(root);
                format!("cd {root} && cargo xtask")
            }
        }
    }
}

/// Finds the checkout and compares its version with this program's.
pub(crate) fn find(env: &Env) -> Result<Utf8PathBuf, CheckoutError> {
    // `cargo run` sets the variable for the package it runs. Another package's cargo may have
    // started this program too.
    let named = env.cargo_manifest_dir.as_deref().and_then(Utf8Path::parent);
    let around = env.current_dir.ancestors();
    let root = named
        .into_iter()
        .chain(around)
        .chain(env.executable.ancestors())
        .find(|path| FOLDERS.iter().all(|name| path.join(name).is_dir()))
        .ok_or_else(|| CheckoutError::NotFound(env.current_dir.clone()))?;
    match version(root) {
        Some(found) if found != VERSION => Err(CheckoutError::Version {
            root: root.to_owned(),
            found,
            program: env.executable.clone(),
        }),
        _ => Ok(root.to_owned()),
    }
}

/// The version of a checkout's crates, or none for a tree that only contains recipes.
fn version(root: &Utf8Path) -> Option<String> {
    let text = host::files::read(&root.join("Cargo.toml")).ok()?;
    let manifest: toml::Table = std::str::from_utf8(&text).ok()?.parse().ok()?;
    let package = manifest.get("workspace")?.get("package")?;
    Some(package.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(version: &str) -> String {
        format!("[workspace.package]\nversion = \"{version}\"\n")
    }

    #[test]
    fn checkout_comes_from_cargo_or_working_directory() {
        let dir = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(dir.path()).unwrap();
        for (name, version) in [("one", VERSION), ("two", VERSION), ("old", "0.0.1")] {
            for folder in ["recipes/linux", "images", "xtask/src"] {
                fs_err::create_dir_all(top.join(name).join(folder)).unwrap();
            }
            fs_err::write(top.join(name).join("Cargo.toml"), manifest(version)).unwrap();
        }
        let find_from = |program: &str, manifest: Option<&str>, current: &str| {
            let env = Env {
                cargo_manifest_dir: manifest.map(|path| top.join(path)),
                current_dir: top.join(current),
                executable: top.join(program),
                ..Env::default()
            };
            find(&env).map_err(|error| error.to_string())
        };
        let check = |manifest: Option<&str>, current: &str, expect: Result<&str, &str>| {
            let expect = expect
                .map(|path| top.join(path))
                .map_err(|text| text.replace("TOP", top.as_str()));
            let found = find_from("/bin/xtask", manifest, current);
            assert_eq!(found, expect, "{manifest:?} {current}");
        };
        // Started from another project, as by `git bisect run`.
        let found = find_from("two/target/debug/xtask", None, "qemu");
        assert_eq!(found, Ok(top.join("two")));
        check(None, "one", Ok("one"));
        check(None, "one/recipes/linux", Ok("one"));
        check(Some("two/xtask"), "one", Ok("two"));
        check(Some("elsewhere/xtask"), "one/xtask", Ok("one"));
        check(
            None,
            "",
            Err("failed to find a checkout of Kiln: `TOP/` is not in one"),
        );
        let mismatch = format!(
            "expected Kiln 0.0.1, as in the checkout `TOP/old`, found Kiln {VERSION}: `/bin/xtask`"
        );
        check(None, "old", Err(&mismatch));
    }
}
