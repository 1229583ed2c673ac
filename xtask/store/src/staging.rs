//! An entry while it is being made, and its commit: the one place where entries appear.

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

/// An entry that is being made, in a work area that is gone when this is dropped.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    name: EntryName,
    area: Workspace,
}

/// What `entry.json` says in addition to what the output tree shows.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Recipe of the step.
    pub recipe: String,
    /// Version of what was built.
    pub version: String,
    /// Architecture of the step, if it has one.
    pub arch: Option<String>,
    /// Seconds that the build took.
    pub seconds: f64,
}

impl About {
    /// What is known from the step.
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

/// What is below an output tree.
#[derive(Debug, Default)]
struct Listing {
    files: BTreeMap<String, FileMeta>,
    links: BTreeMap<String, String>,
    directories: Vec<Utf8PathBuf>,
}

impl Vacant {
    /// Begins to fill it.
    pub fn stage(self) -> Result<Staging, StoreError> {
        Staging::begin(self.store, self.name)
    }
}

impl Staging {
    pub(crate) fn begin(store: Store, name: EntryName) -> Result<Self, StoreError> {
        let area = store.workspace()?;
        let staging = Self { store, name, area };
        for directory in [staging.path(), staging.scratch()] {
            fs::create_dir_all(&directory)
                // A script may copy the mode of a directory, which must not be the caller's umask.
                .and_then(|()| fs::set_permissions(&directory, Permissions::from_mode(0o755)))
                .map_err(|error| staging.store.io(error))?;
        }
        Ok(staging)
    }

    /// The output tree, to be filled.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.entry().join("out")
    }

    /// An empty directory for whatever is not kept.
    #[must_use]
    pub fn scratch(&self) -> Utf8PathBuf {
        self.area.path().join("scratch")
    }

    /// The store that it goes into.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn entry(&self) -> Utf8PathBuf {
        self.area.path().join("entry")
    }

    /// Hashes the output tree and makes it the entry. Where another process was first, theirs stays:
    /// an entry that must be the same on every host is an error if it is not.
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
        // A directory is never renamed over one that holds something: this is the no-replace rule.
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
                    // It was corrupt and is out of the way now.
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

    /// What a killed process leaves behind.
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
