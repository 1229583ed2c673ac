//! Where a verification works: a place that is empty at its beginning and gone at its end, or a directory
//! that the user named, and in which it can continue.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Value, json};
use store::{Store, StoreError, Workspace};

use crate::verify::Promise;

/// Says of a directory what is verified in it.
const MARK: &str = "verify-release.json";

/// What a build needs is in proportion to the archives that it unpacks: measured, and rounded up.
const PER_SOURCE_BYTE: u64 = 25;

/// In messages.
const MEGABYTE: u64 = 1_000_000;

/// Where a verification works.
#[derive(Debug)]
pub struct Area {
    path: Utf8PathBuf,
    /// Gone when dropped; absent where the user named the directory.
    passing: Option<Workspace>,
    /// Whether an earlier run began here.
    begun: bool,
}

/// Why a verification cannot work in a directory.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file system has too little room.
    #[error(
        "verifying {release} needs {} MB in `{path}`, and {} MB are free",
        needed.div_ceil(MEGABYTE),
        free / MEGABYTE
    )]
    Room {
        /// The release.
        release: String,
        /// Bytes that the verification writes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Where.
        path: Utf8PathBuf,
    },
    /// The directory holds something else.
    #[error("`{path}` {why}")]
    Occupied {
        /// The directory.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl AreaError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Io(_) => None,
            Self::Room { .. } => {
                Some("use a larger file system: --keep DIR, or export KILN_STORE=DIR".to_owned())
            }
            Self::Occupied { .. } => {
                Some("name an empty or a new directory: --keep DIR".to_owned())
            }
        }
    }
}

impl Area {
    /// A directory that is gone at the end: in the store, which has the room that a build needs, and
    /// which sweeps what a killed run leaves.
    #[must_use]
    pub fn passing(workspace: Workspace) -> Self {
        Self {
            path: workspace.path().to_owned(),
            passing: Some(workspace),
            begun: false,
        }
    }

    /// A directory that stays; one with anything but this verification in it is refused.
    pub fn kept_in(path: Utf8PathBuf, promise: &Promise) -> Result<Self, AreaError> {
        let begun = begun(&path, promise)?;
        fs::create_dir_all(&path)?;
        Ok(Self {
            path,
            passing: None,
            begun,
        })
    }

    /// Says of a directory that is kept what is verified in it.
    pub fn mark(&self, promise: &Promise) -> Result<(), AreaError> {
        if self.passing.is_some() {
            return Ok(());
        }
        let mark = json!({"release": promise.release, "bundle": promise.facts.sha256});
        let mark = format!("{mark}\n");
        Ok(host::files::write(&self.join(MARK), mark.as_bytes())?)
    }

    /// A directory in it.
    #[must_use]
    pub fn join(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// The store of what the release consists of; what the build makes has another.
    pub fn published(&self) -> Result<Store, AreaError> {
        Ok(Store::open(&self.join("published"))?)
    }

    /// Fails when there is not the room for all that is to come.
    pub fn check_room(&self, promise: &Promise, no_build: bool) -> Result<(), AreaError> {
        if self.begun {
            return Ok(());
        }
        let free = host::files::free_space(&self.path)?;
        let needed = needed(promise, no_build);
        if free >= needed {
            return Ok(());
        }
        Err(AreaError::Room {
            release: promise.release.clone(),
            needed,
            free,
            path: self.path.clone(),
        })
    }

    /// What helps where the release is not what its source gives.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.passing {
            None => format!("compare both in `{}`", self.path),
            Some(_) => "keep both builds: --keep DIR".to_owned(),
        }
    }

    /// What helps where the build did not come to its end.
    #[must_use]
    pub fn unfinished(&self) -> String {
        match &self.passing {
            None => format!("the unfinished build is in `{}`", self.path),
            Some(_) => "keep the unfinished build: --keep DIR".to_owned(),
        }
    }

    /// The directory, where it is kept.
    #[must_use]
    pub fn kept_directory(&self) -> Option<&Utf8Path> {
        self.passing.is_none().then_some(self.path.as_path())
    }
}

/// Bytes that a verification writes: the bundle, packed and unpacked, and what its archives become.
fn needed(promise: &Promise, no_build: bool) -> u64 {
    let bundle = promise.facts.size.saturating_mul(2);
    let sources = promise.sources.values().map(|source| source.size);
    let sources = sources.fold(0, u64::saturating_add);
    let build = if no_build { 0 } else { PER_SOURCE_BYTE };
    bundle.saturating_add(sources.saturating_mul(build))
}

/// Whether this release was begun in the directory; one with anything else in it is refused.
fn begun(path: &Utf8Path, promise: &Promise) -> Result<bool, AreaError> {
    let refused = |why: String| {
        let path = path.to_owned();
        Err(AreaError::Occupied { path, why })
    };
    if path.is_file() {
        return refused("is not a directory".to_owned());
    }
    let mark = host::files::read(&path.join(MARK)).ok();
    let mark: Option<Value> = mark.and_then(|text| serde_json::from_slice(&text).ok());
    match mark {
        Some(mark) if mark["bundle"] == json!(promise.facts.sha256) => Ok(true),
        Some(mark) => refused(format!(
            "holds the verification of another release, {}",
            mark["release"].as_str().unwrap_or("unnamed")
        )),
        None => {
            let listing = path.read_dir_utf8();
            let empty = listing.is_ok_and(|mut listing| listing.next().is_none());
            if path.exists() && !empty {
                return refused("is not empty, and not a directory of a verification".to_owned());
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plan::digest::Digest;
    use plan::lock::LockedFile;

    use super::*;

    fn promise(sources: u64) -> Promise {
        let file = |size| LockedFile {
            size,
            sha256: Digest::of(b""),
        };
        Promise {
            release: "kiln-1".to_owned(),
            images: BTreeMap::new(),
            sources: BTreeMap::from([("a.tar".to_owned(), file(sources))]),
            bundle: "kiln-1-source.tar".to_owned(),
            facts: file(1000),
        }
    }

    #[test]
    fn room_is_checked_for_bundle_and_build() {
        assert_eq!(needed(&promise(10), true), 2000);
        assert_eq!(needed(&promise(10), false), 2000 + 10 * PER_SOURCE_BYTE);
        assert_eq!(needed(&promise(u64::MAX), false), u64::MAX);
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let mut area = Area {
            path: path.clone(),
            passing: None,
            begun: false,
        };
        let error = area.check_room(&promise(u64::MAX), false).unwrap_err();
        let text = error.to_string();
        let wanted = format!("verifying kiln-1 needs 18446744073710 MB in `{path}`, and ");
        assert!(text.starts_with(&wanted), "{text}");
        area.begun = true;
        assert!(area.check_room(&promise(u64::MAX), false).is_ok());
    }
}
