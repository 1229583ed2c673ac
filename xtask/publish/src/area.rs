//! The working directory of a verification: a temporary directory, or one that the user named, in
//! which a later run can continue.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Value, json};
use store::{Store, StoreError, Workspace};

use crate::verify::Promise;

/// The file that records what is verified in a directory.
const MARK: &str = "verify-release.json";

/// Space of a build per byte of the archives that it unpacks: measured and rounded up.
const PER_SOURCE_BYTE: u64 = 25;

/// Unit in messages.
const MEGABYTE: u64 = 1_000_000;

/// The working directory of a verification.
#[derive(Debug)]
pub struct Area {
    path: Utf8PathBuf,
    /// Removed on drop. Absent if the user named the directory.
    passing: Option<Workspace>,
    /// Whether an earlier run started here.
    begun: bool,
}

/// Why a directory cannot be used for a verification.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file system has too little space.
    #[error(
        "verifying {release} needs {} MB in `{path}`, and {} MB are free",
        needed.div_ceil(MEGABYTE),
        free / MEGABYTE
    )]
    Room {
        /// The release.
        release: String,
        /// Bytes that the verification needs.
        needed: u64,
        /// Free bytes.
        free: u64,
        /// The directory.
        path: Utf8PathBuf,
    },
    /// The directory contains something else.
    #[error("`{path}` {why}")]
    Occupied {
        /// The directory.
        path: Utf8PathBuf,
        /// The problem.
        why: String,
    },
}

impl AreaError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Io(_) => None,
            Self::Room { .. } => {
                Some("use a larger file system: --keep DIR, or export KILN_STORE=DIR".to_owned())
            }
            Self::Occupied { .. } => Some("use an empty or a new directory: --keep DIR".to_owned()),
        }
    }
}

impl Area {
    /// A temporary directory in the store, which has the space that a build needs, and which sweeps
    /// the leftovers of killed runs.
    #[must_use]
    pub fn passing(workspace: Workspace) -> Self {
        Self {
            path: workspace.path().to_owned(),
            passing: Some(workspace),
            begun: false,
        }
    }

    /// A directory that is kept. Refuses one that contains anything but this verification.
    pub fn kept_in(path: Utf8PathBuf, promise: &Promise) -> Result<Self, AreaError> {
        let begun = begun(&path, promise)?;
        fs::create_dir_all(&path)?;
        Ok(Self {
            path,
            passing: None,
            begun,
        })
    }

    /// Records in a kept directory what is verified in it.
    pub fn mark(&self, promise: &Promise) -> Result<(), AreaError> {
        if self.passing.is_some() {
            return Ok(());
        }
        let mark = json!({"release": promise.release, "bundle": promise.facts.sha256});
        let mark = format!("{mark}\n");
        Ok(host::files::write(&self.join(MARK), mark.as_bytes())?)
    }

    /// A subdirectory.
    #[must_use]
    pub fn join(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// The store for the contents of the release. The build has a separate store.
    pub fn published(&self) -> Result<Store, AreaError> {
        Ok(Store::open(&self.join("published"))?)
    }

    /// Fails if the file system lacks space for the whole verification.
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

    /// The hint if the release does not match its source.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.passing {
            None => format!("compare both in `{}`", self.path),
            Some(_) => "keep both builds: --keep DIR".to_owned(),
        }
    }

    /// The hint if the build failed.
    #[must_use]
    pub fn unfinished(&self) -> String {
        match &self.passing {
            None => format!("the unfinished build is in `{}`", self.path),
            Some(_) => "keep the unfinished build: --keep DIR".to_owned(),
        }
    }

    /// The directory, if it is kept.
    #[must_use]
    pub fn kept_directory(&self) -> Option<&Utf8Path> {
        self.passing.is_none().then_some(self.path.as_path())
    }
}

/// Bytes that a verification writes: the bundle, packed and unpacked, and the build.
fn needed(promise: &Promise, no_build: bool) -> u64 {
    let bundle = promise.facts.size.saturating_mul(2);
    let sources = promise.sources.values().map(|source| source.size);
    let sources = sources.fold(0, u64::saturating_add);
    let build = if no_build { 0 } else { PER_SOURCE_BYTE };
    bundle.saturating_add(sources.saturating_mul(build))
}

/// Whether the verification of this release was started in the directory. Refuses a directory with
/// anything else in it.
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
            programs: BTreeMap::new(),
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
