//! Entries: the output trees of steps, named by build key. [`EntryState`] is the state of a name.
//!
//! An entry that must have the same bytes on every host is hashed once per boot, and again when a
//! file changed. The sizes of an entry from the host's compiler are checked once per boot. A wrong entry goes to quarantine and
//! counts as vacant, with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::{BuildKey, Digest};
use plan::step::{Product, Step};
use serde::{Deserialize, Serialize};

use crate::hash::digest_file;
use crate::{Store, StoreError};

/// Format of `entry.json`.
pub(crate) const FORMAT: u64 = 1;

/// The name of an entry: the key, and the host if its compiler influenced the bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName {
    key: BuildKey,
    host: Option<String>,
}

impl EntryName {
    /// The entry of a step. `host` is the host's short id.
    #[must_use]
    pub fn of(step: &Step, host: &str) -> Self {
        match step.product {
            Product::Image => Self::image(step.key),
            Product::Toolchain => Self::toolchain(step.key, host),
        }
    }

    /// An entry whose bytes depend on the compiler of `host`, a short id.
    #[must_use]
    pub fn toolchain(key: BuildKey, host: &str) -> Self {
        Self {
            key,
            host: Some(host.to_owned()),
        }
    }

    /// An entry that is the same on every host.
    #[must_use]
    pub fn image(key: BuildKey) -> Self {
        Self { key, host: None }
    }

    /// Parses a displayed name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, host) = match text.split_once('-') {
            Some((key, host)) => (key, Some(host.to_owned())),
            None => (text, None),
        };
        let key = key.parse().ok()?;
        Some(Self { key, host })
    }

    /// The step's key.
    #[must_use]
    pub fn key(&self) -> BuildKey {
        self.key
    }

    /// The host's short id, if the bytes depend on the host's compiler.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => write!(f, "{}", self.key),
            Some(host) => write!(f, "{}-{host}", self.key),
        }
    }
}

/// `entry.json`: the description of an entry and its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryMeta {
    /// The format of this file.
    pub format: u64,
    /// The key of the step that made the entry.
    pub key: BuildKey,
    /// The host id, if the bytes depend on the host's compiler.
    pub host: Option<String>,
    /// The recipe of the step.
    pub recipe: String,
    /// The version of what was built.
    pub version: String,
    /// The architecture of the step, if any.
    pub arch: Option<String>,
    /// Duration of the build in seconds, or zero if the entry was fetched.
    pub seconds: f64,
    /// Regular files by path below `out/`.
    pub files: BTreeMap<String, FileMeta>,
    /// Targets of symbolic links by path below `out/`.
    pub links: BTreeMap<String, String>,
}

/// One regular file of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMeta {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Permission bits.
    pub mode: u32,
}

/// The state of a name in the store.
#[derive(Debug)]
pub enum EntryState {
    /// No usable entry.
    Vacant(Vacant),
    /// A complete and correct entry.
    Ready(Ready),
}

impl EntryState {
    /// The entry, if ready.
    #[must_use]
    pub fn ready(self) -> Option<Ready> {
        match self {
            Self::Ready(ready) => Some(ready),
            Self::Vacant(_) => None,
        }
    }
}

/// A name without an entry.
#[derive(Debug)]
pub struct Vacant {
    pub(crate) store: Store,
    pub(crate) name: EntryName,
    corrupt: Option<String>,
}

impl Vacant {
    /// What was wrong with the entry that this lookup quarantined, if any.
    #[must_use]
    pub fn corrupt(&self) -> Option<&str> {
        self.corrupt.as_deref()
    }
}

/// A checked entry. Only this type can be booted or published.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    name: EntryName,
    directory: Utf8PathBuf,
    meta: EntryMeta,
}

impl Ready {
    pub(crate) fn new(name: EntryName, directory: Utf8PathBuf, meta: EntryMeta) -> Self {
        Self {
            name,
            directory,
            meta,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &EntryName {
        &self.name
    }

    /// The output tree.
    #[must_use]
    pub fn path(&self) -> Utf8PathBuf {
        self.directory.join("out")
    }

    /// The path of one file of the output tree, if the entry has it.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Utf8PathBuf> {
        self.meta
            .files
            .contains_key(name)
            .then(|| self.path().join(name))
    }

    /// Its description.
    #[must_use]
    pub fn meta(&self) -> &EntryMeta {
        &self.meta
    }

    /// Hashes every file. The error describes the first difference.
    pub fn verify(&self) -> Result<(), String> {
        self.check(|path, meta| {
            let (size, digest) = digest_file(path)?;
            Ok(if size == meta.size && digest == meta.sha256 {
                None
            } else {
                Some(format!(
                    "expected {} ({} bytes), found {digest} ({size} bytes)",
                    meta.sha256, meta.size
                ))
            })
        })
    }

    /// Compares the size of every file.
    fn verify_sizes(&self) -> Result<(), String> {
        self.check(|path, meta| {
            let size = fs::symlink_metadata(path)?.len();
            Ok((size != meta.size).then(|| format!("expected {} bytes, got {size}", meta.size)))
        })
    }

    fn check(
        &self,
        wrong: impl Fn(&Utf8Path, &FileMeta) -> io::Result<Option<String>>,
    ) -> Result<(), String> {
        let out = self.path();
        for (name, meta) in &self.meta.files {
            match wrong(&out.join(name), meta) {
                Ok(None) => {}
                Ok(Some(why)) => return Err(format!("`{name}`: {why}")),
                Err(error) => return Err(error.to_string()),
            }
        }
        self.check_links()
    }

    fn check_links(&self) -> Result<(), String> {
        let out = self.path();
        for (name, target) in &self.meta.links {
            match out.join(name).read_link_utf8() {
                Ok(found) if found == *target => {}
                Ok(found) => return Err(format!("`{name}`: expected `{target}`, got `{found}`")),
                Err(error) => return Err(format!("`{name}`: {error}")),
            }
        }
        Ok(())
    }
}

impl Store {
    /// Looks up an entry.
    pub fn entry(&self, name: &EntryName) -> Result<EntryState, StoreError> {
        let directory = self.entry_dir(name);
        let vacant = |corrupt| {
            EntryState::Vacant(Vacant {
                store: self.clone(),
                name: name.clone(),
                corrupt,
            })
        };
        let wrong = match read_meta(name, &directory)? {
            Found::Nothing => return Ok(vacant(None)),
            Found::Wrong(why) => why,
            Found::Meta(meta) => {
                let ready = Ready::new(name.clone(), directory.clone(), *meta);
                match self.check_entry(&ready) {
                    Ok(()) => {
                        self.touch(&directory.join("entry.json"));
                        return Ok(EntryState::Ready(ready));
                    }
                    Err(why) => why,
                }
            }
        };
        let why = format!("entry `{name}` is corrupt: {wrong}");
        self.quarantine(&directory, &why)
            .map_err(|error| self.io(error))?;
        Ok(vacant(Some(why)))
    }

    /// Whether an entry exists, without a check of its bytes.
    #[must_use]
    pub fn has_entry(&self, name: &EntryName) -> bool {
        self.entry_dir(name).join("entry.json").is_file()
    }

    pub(crate) fn entry_dir(&self, name: &EntryName) -> Utf8PathBuf {
        self.layout().join("entries").join(name.to_string())
    }

    fn check_entry(&self, ready: &Ready) -> Result<(), String> {
        if ready.name.host.is_none() {
            ready.check_links()?;
            let out = ready.path();
            let files: Vec<_> = ready.meta.files.keys().map(|name| out.join(name)).collect();
            let now = host::clock::now();
            return self.check_once(&ready.directory, &files, now, || ready.verify());
        }
        if self.is_of_this_boot(&ready.directory) {
            return Ok(());
        }
        ready.verify_sizes()?;
        // A read-only store is checked again next time.
        let _ = self.mark_boot(&ready.directory);
        Ok(())
    }
}

enum Found {
    Nothing,
    Wrong(String),
    Meta(Box<EntryMeta>),
}

/// The field that every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

fn read_meta(name: &EntryName, directory: &Utf8Path) -> Result<Found, StoreError> {
    let text = match fs::read(directory.join("entry.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(match directory.symlink_metadata() {
                Ok(_) => Found::Wrong("`entry.json` is missing".to_owned()),
                Err(_) => Found::Nothing,
            });
        }
        Err(error) => return Err(StoreError::Io(error)),
    };
    if let Ok(AnyFormat { format }) = serde_json::from_slice(&text)
        && format > FORMAT
    {
        return Err(StoreError::FutureEntry {
            name: name.to_string(),
            found: format,
            known: FORMAT,
        });
    }
    Ok(match serde_json::from_slice::<EntryMeta>(&text) {
        Err(error) => Found::Wrong(format!("`entry.json`: {error}")),
        Ok(meta) if meta.key != name.key || meta.host != name.host => Found::Wrong(format!(
            "expected this entry's own description, found that of {}",
            meta.key
        )),
        Ok(meta) => Found::Meta(Box::new(meta)),
    })
}
