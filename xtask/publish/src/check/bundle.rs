//! Checks the contents of a source bundle: the archives with their digests, the repository and the
//! build instructions.

use std::collections::BTreeMap;
use std::io::{self, Read};

use plan::digest::Digest;

use crate::tree_reader::Hashing;

/// Files that every bundle has.
const ALWAYS: [&str; 4] = [
    "BUILD.md",
    ".cargo/config.toml",
    "repository/Cargo.lock",
    "repository/images/images.lock",
];

/// A completely read bundle.
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) digest: Digest,
    /// Missing files.
    pub(super) lacks: Vec<String>,
    /// Why it could not be read completely.
    pub(super) broken: Option<String>,
}

/// Reads a bundle once from start to end.
pub(super) fn read(file: Box<dyn Read>, root: &str, sources: &BTreeMap<String, Digest>) -> Held {
    let mut hashing = Hashing::new(file);
    let mut wanted: BTreeMap<String, Option<Digest>> = ALWAYS
        .iter()
        .map(|path| (format!("{root}/{path}"), None))
        .collect();
    let named = sources.iter();
    wanted.extend(named.map(|(file, digest)| (format!("{root}/sources/{file}"), Some(*digest))));
    // A broken stream lacks the remaining files, and its digest is wrong in addition.
    let _ = remove_found(&mut hashing, &mut wanted);
    let broken = io::copy(&mut hashing, &mut io::sink()).err();
    let (size, digest) = hashing.finish();
    let prefix = format!("{root}/");
    let lacks = wanted.into_keys();
    Held {
        size,
        digest,
        lacks: lacks
            .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
            .collect(),
        broken: broken.map(|error| error.to_string()),
    }
}

/// Removes from `wanted` what is in the archive.
fn remove_found(
    file: &mut dyn Read,
    wanted: &mut BTreeMap<String, Option<Digest>>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match wanted.get(&path) {
            None => {}
            Some(None) => drop(wanted.remove(&path)),
            Some(Some(digest)) => {
                let digest = *digest;
                let mut entry = Hashing::new(entry);
                io::copy(&mut entry, &mut io::sink())?;
                if entry.finish().1 == digest {
                    wanted.remove(&path);
                }
            }
        }
    }
    Ok(())
}
