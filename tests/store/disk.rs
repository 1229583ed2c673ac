//! Reads a store's files without the store's own code, and checks whether their contents match
//! their names.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use plan::digest::Digest;
use serde_json::Value;

/// Names below the layout, and those whose content does not match.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) names: BTreeSet<String>,
    pub(crate) wrong: BTreeSet<String>,
}

impl State {
    /// Whether this state contains everything of another state.
    pub(crate) fn has_all_of(&self, other: &Self) -> bool {
        let kept = |name: &&String| !name.starts_with("tmp/");
        other
            .names
            .iter()
            .filter(kept)
            .all(|name| self.names.contains(name))
    }
}

/// Checks every byte of a store. A store that does not exist is empty.
pub(crate) fn state(store: &Path) -> State {
    let mut names = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for folder in ["blobs/sha256", "entries", "roots", "tmp", "part"] {
        let Ok(listing) = std::fs::read_dir(store.join("v1").join(folder)) else {
            continue;
        };
        for path in listing.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let right = match folder {
                "blobs/sha256" => is_blob(&path, name),
                "entries" => is_entry(&path, name).unwrap_or(false),
                "roots" => json(&path).is_some(),
                // A work area belongs to no process any more.
                _ => true,
            };
            if !right {
                wrong.insert(format!("{folder}/{name}"));
            }
            names.insert(format!("{folder}/{name}"));
        }
    }
    State { names, wrong }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn is_blob(path: &Path, name: &str) -> bool {
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    mode == 0o444 && Digest::of(&std::fs::read(path).unwrap()).to_string() == name
}

fn is_entry(path: &Path, name: &str) -> Option<bool> {
    let meta = json(&path.join("entry.json"))?;
    let mut files = meta["files"].as_object()?.iter();
    let out = path.join("out");
    let right = files.all(|(file, its)| {
        let bytes = std::fs::read(out.join(file)).unwrap_or_default();
        its["size"] == bytes.len() && its["sha256"] == Digest::of(&bytes).to_string()
    });
    let links = meta["links"].as_object()?.keys();
    let linked = links.into_iter().all(|link| out.join(link).is_symlink());
    Some(right && linked && name.starts_with(meta["key"].as_str()?))
}

/// Changes a byte of each blob and of a file of each entry.
pub(crate) fn damage(store: &Path) {
    let files = |folder: &str| {
        let listing = std::fs::read_dir(store.join("v1").join(folder)).unwrap();
        listing.map(|entry| entry.unwrap().path())
    };
    let entries = files("entries").map(|entry| entry.join("out/bin/1"));
    for file in files("blobs/sha256").chain(entries) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[12_345] ^= 1;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&file, bytes).unwrap();
    }
}

/// A path in the store without the parts that differ between runs.
pub(crate) fn general(path: &str) -> String {
    let parts = path.trim_start_matches("v1/").split('/').enumerate();
    let parts = parts.map(|(at, part)| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match part {
            _ if digits >= 32 => format!("{}…", &part[..6]),
            _ if part.len() > 32 => format!("{}…", &part[..12]),
            _ if at == 1 && path.starts_with("v1/tmp/") => {
                let end = part.find('.').map_or("", |dot| &part[dot..]);
                format!("*{end}")
            }
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}
