//! Makes and commits entries. No other module creates one.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::step::Step;

use crate::durable::sync_directory;
use crate::entry::{EntryMeta, EntryName, EntryState, FORMAT, FileMeta, Ready, Vacant};
use crate::hash::digest_file;
use crate::workspace::Workspace;
use crate::{Store, StoreError};

/// An unfinished entry in a work area, which is removed on drop.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    name: EntryName,
    area: Workspace,
}

/// The parts of `entry.json` that do not follow from the output tree.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// The recipe of the step.
    pub recipe: String,
    /// The version of what was built.
    pub version: String,
    /// The architecture of the step, if any.
    pub arch: Option<String>,
    /// Duration of the build in seconds.
    pub seconds: f64,
}

impl About {
    /// Fills in the facts from the step.
    #[must_use]
    pub fn step(step: &Step, seconds: f64) -> Self {
        Self {
            recipe: step.recipe.clone(),
            version: step.version.clone(),
            arch: step.arch.clone(),
            seconds,
        }
    }
}

/// The files and links of an output tree.
#[derive(Debug, Default)]
struct Listing {
    files: BTreeMap<String, FileMeta>,
    links: BTreeMap<String, String>,
    directories: Vec<Utf8PathBuf>,
}

impl Vacant {
    /// Creates a work area for the entry.
    pub fn stage(self) -> Result<Staging, StoreError> {
        Staging::create(self.store, self.name)
    }
}

impl Staging {
    pub(crate) fn create(store: Store, name: EntryName) -> Result<Self, StoreError> {
        let area = store.workspace()?;
        let staging = Self { store, name, area };
        for directory in [staging.path(), staging.scratch()] {
            fs::create_dir_all(&directory)
                // A script may copy the mode of a directory, so it must not depend on the caller's
                // umask.
                .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755)))
                .map_err(|error| staging.store.io(error))?;
        }
        Ok(staging)
    }

    /// The output tree to fill.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.entry().join("out")
    }

    /// An empty directory for temporary files.
    #[must_use]
    pub fn scratch(&self) -> Utf8PathBuf {
        self.area.path().join("scratch")
    }

    /// The store of the entry.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn entry(&self) -> Utf8PathBuf {
        self.area.path().join("entry")
    }

    /// Hashes the output tree and commits it as the entry. If another process committed first, its
    /// entry stays. Fails if the two differ although the entry must be the same on every host.
    pub fn commit(self, about: About) -> Result<Ready, StoreError> {
        let mut listing = Listing::default();
        list(&self.store, &self.path(), "", &mut listing)?;
        let synced = self.name.host().is_none();
        let meta = EntryMeta {
            format: FORMAT,
            key: self.name.key(),
            host: self.name.host().map(str::to_owned),
            recipe: about.recipe,
            version: about.version,
            arch: about.arch,
            seconds: about.seconds,
            files: listing.files,
            links: listing.links,
        };
        let wrap = |error| self.store.io(error).needing(bytes(&meta));
        let entry = self.entry();
        let mut text = serde_json::to_vec_pretty(&meta).map_err(io::Error::from)?;
        text.push(b'\n');
        fs::write(entry.join("entry.json"), text).map_err(wrap)?;
        self.store.mark_boot(&entry).map_err(wrap)?;
        fs::File::open(entry.join("entry.json"))
            .and_then(|file| file.sync_all())
            .map_err(wrap)?;
        if synced {
            let out = self.path();
            for name in meta.files.keys() {
                fs::File::open(out.join(name))
                    .and_then(|file| file.sync_all())
                    .map_err(wrap)?;
            }
            for directory in &listing.directories {
                sync_directory(directory).map_err(wrap)?;
            }
        }
        sync_directory(&entry).map_err(wrap)?;
        self.publish(meta)
    }

    fn publish(self, meta: EntryMeta) -> Result<Ready, StoreError> {
        let target = self.store.entry_dir(&self.name);
        let entries = self.store.layout().join("entries");
        let needed = bytes(&meta);
        let wrap = |error| self.store.io(error).needing(needed);
        // A rename never replaces a directory that is not empty, so an existing entry stays.
        match fs::rename(self.entry(), &target) {
            Ok(()) => {
                sync_directory(&entries).map_err(wrap)?;
                Ok(Ready::new(self.name.clone(), target, meta))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                match self.store.entry(&self.name)? {
                    EntryState::Ready(theirs) => self.settle(&meta, theirs),
                    // The existing entry was corrupt and has been moved away.
                    EntryState::Vacant(_) => {
                        fs::rename(self.entry(), &target).map_err(wrap)?;
                        sync_directory(&entries).map_err(wrap)?;
                        Ok(Ready::new(self.name.clone(), target, meta))
                    }
                }
            }
            Err(error) => Err(wrap(error)),
        }
    }

    fn settle(&self, ours: &EntryMeta, theirs: Ready) -> Result<Ready, StoreError> {
        if self.name.host().is_some() {
            return Ok(theirs);
        }
        match first_difference(ours, theirs.meta()) {
            None => Ok(theirs),
            Some(file) => Err(StoreError::Differs {
                name: self.name.to_string(),
                file,
            }),
        }
    }

    /// Leaves the work area as a killed process does.
    #[cfg(test)]
    pub(crate) fn abandon(self) -> Utf8PathBuf {
        self.area.abandon()
    }
}

fn bytes(meta: &EntryMeta) -> u64 {
    meta.files.values().map(|file| file.size).sum()
}

fn first_difference(ours: &EntryMeta, theirs: &EntryMeta) -> Option<String> {
    let content = |meta: &EntryMeta| {
        let files = meta
            .files
            .iter()
            .map(|(name, file)| (name.clone(), file.sha256.to_string()));
        files.chain(meta.links.clone()).collect::<BTreeMap<_, _>>()
    };
    let (ours, theirs) = (content(ours), content(theirs));
    let names = ours.keys().chain(theirs.keys());
    names
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .min()
        .cloned()
}

fn list(
    store: &Store,
    directory: &Utf8Path,
    prefix: &str,
    listing: &mut Listing,
) -> Result<(), StoreError> {
    let wrap = |error| store.io(error);
    listing.directories.push(directory.to_owned());
    for entry in fs::read_dir(directory).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| StoreError::NotUtf8(name.to_string_lossy().into_owned()))?;
        let path = directory.join(name);
        let name = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type().map_err(wrap)?;
        if kind.is_dir() {
            list(store, &path, &name, listing)?;
        } else if kind.is_symlink() {
            let target = path.read_link_utf8().map_err(wrap)?;
            listing.links.insert(name, target.into_string());
        } else if kind.is_file() {
            let mode = entry.metadata().map_err(wrap)?.permissions().mode() & 0o7777;
            let (size, sha256) = digest_file(&path).map_err(wrap)?;
            listing.files.insert(name, FileMeta { size, sha256, mode });
        } else {
            return Err(StoreError::Kind {
                path: name,
                kind: "a device, socket or pipe",
            });
        }
    }
    Ok(())
}
