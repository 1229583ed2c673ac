//! What a source bundle holds: every archive with its digest, the repository, how to build.

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

/// A bundle that was read to its end.
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) digest: Digest,
    /// What should be in it and is not.
    pub(super) lacks: Vec<String>,
    /// Why it ended before its end.
    pub(super) broken: Option<String>,
}

/// Reads a bundle once, from front to end.
pub(super) fn read(file: Box<dyn Read>, root: &str, sources: &BTreeMap<String, Digest>) -> Held {
    let mut hashing = Hashing::new(file);
    let mut wanted: BTreeMap<String, Option<Digest>> = ALWAYS
        .iter()
        .map(|path| (format!("{root}/{path}"), None))
        .collect();
    let named = sources.iter();
    wanted.extend(named.map(|(file, digest)| (format!("{root}/sources/{file}"), Some(*digest))));
    // A stream that breaks lacks what was to come, and its digest is wrong in addition.
    let _ = strike(&mut hashing, &mut wanted);
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

/// Takes out of `wanted` what is in the archive.
fn strike(file: &mut dyn Read, wanted: &mut BTreeMap<String, Option<Digest>>) -> io::Result<()> {
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
