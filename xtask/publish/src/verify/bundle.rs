//! Checks that an unpacked source bundle is complete: every archive of the release and every crate
//! of its lock file. The build detects anything else that is missing.

use std::io;

use camino::Utf8Path;
use fs_err as fs;
use serde::Deserialize;

use super::{Promise, VerifyError};
use crate::tree_reader::Hashing;

/// The relevant fields of `Cargo.lock`.
#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Present for crates from a registry, which are in `vendor/`.
    checksum: Option<String>,
}

/// Cargo's file next to the files of a vendored crate.
#[derive(Deserialize)]
struct Vendored {
    package: Option<String>,
}

/// Fails with a list of everything that the unpacked bundle at `tree` lacks.
pub fn complete(promise: &Promise, tree: &Utf8Path) -> Result<(), VerifyError> {
    let mut lacks = Vec::new();
    for (file, facts) in &promise.sources {
        let path = format!("sources/{file}");
        let there = digest(&tree.join(&path))?;
        if there != Some((facts.size, facts.sha256)) {
            lacks.push(format!("`{path}`"));
        }
    }
    let path = "repository/Cargo.lock";
    let text = match fs::read_to_string(tree.join(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    match toml::from_str::<CargoLock>(&text) {
        Ok(lock) if !text.is_empty() => lacks.extend(absent_crates(&lock, tree)),
        _ => lacks.push(format!("`{path}`")),
    }
    if lacks.is_empty() {
        return Ok(());
    }
    Err(VerifyError::Lacks(lacks))
}

fn absent_crates(lock: &CargoLock, tree: &Utf8Path) -> Vec<String> {
    let lacks = |package: &&Package| {
        let Some(checksum) = &package.checksum else {
            return false;
        };
        let folder = format!("vendor/{}-{}", package.name, package.version);
        let text = fs::read_to_string(tree.join(folder).join(".cargo-checksum.json"));
        let vendored: Option<Vendored> =
            text.ok().and_then(|text| serde_json::from_str(&text).ok());
        vendored.and_then(|its| its.package).as_ref() != Some(checksum)
    };
    let named = |package: &Package| format!("the crate `{} {}`", package.name, package.version);
    lock.package.iter().filter(lacks).map(named).collect()
}

/// Size and digest of a file, if it exists.
fn digest(path: &Utf8Path) -> io::Result<Option<(u64, plan::digest::Digest)>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut file = Hashing::new(file);
    io::copy(&mut file, &mut io::sink())?;
    Ok(Some(file.finish()))
}
