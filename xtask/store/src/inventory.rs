//! Lists the items of a store with their sizes and last uses, and checks their bytes.

use std::io;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::entry::{EntryMeta, EntryName, EntryState};
use crate::{Access, Store, StoreError, template};

/// The kind of an item in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The output of a step.
    Entry,
    /// An unpacked and patched source.
    Tree,
    /// A file by its SHA-256.
    Blob,
    /// An unfinished download.
    Part,
    /// A corrupt item.
    Quarantined,
    /// The output of a build.
    Log,
    /// The capabilities of a QEMU binary or an accelerator.
    Probe,
    /// The age of the newest known index of a release tree.
    Mirror,
    /// The store of a second build.
    Repro,
    /// A saved guest.
    Template,
}

impl Kind {
    /// All kinds in the order of listings.
    pub const ALL: [Self; 10] = [
        Self::Entry,
        Self::Tree,
        Self::Blob,
        Self::Part,
        Self::Quarantined,
        Self::Log,
        Self::Probe,
        Self::Mirror,
        Self::Repro,
        Self::Template,
    ];

    /// Its name in listings.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Part => "part",
            Self::Quarantined => "quarantined",
            Self::Log => "log",
            Self::Probe => "probe",
            Self::Mirror => "mirror",
            Self::Repro => "repro",
            Self::Template => "template",
        }
    }
}

/// An item in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its kind.
    pub kind: Kind,
    /// Its name in the store.
    pub name: String,
    /// Recipe, version and architecture of an entry.
    pub about: Option<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Time of its last use, or of its creation.
    #[serde(skip)]
    pub used: SystemTime,
    /// Its path.
    pub path: Utf8PathBuf,
}

/// Size of an unpacked tree, from `tree.json`.
#[derive(Deserialize)]
struct TreeSize {
    bytes: u64,
}

impl Store {
    /// Lists all items by kind and name, without work areas and locks.
    pub fn inventory(&self) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for (kind, directory) in [
            (Kind::Entry, self.layout().join("entries")),
            (Kind::Tree, self.layout().join("tree")),
            (Kind::Blob, self.layout().join("blobs/sha256")),
            (Kind::Part, self.layout().join("part")),
            (Kind::Quarantined, self.layout().join("quarantine")),
            (Kind::Log, self.log_dir()),
            (Kind::Probe, self.probe_dir()),
            (Kind::Mirror, self.mirror_dir()),
            (Kind::Repro, self.repro_dir()),
            (Kind::Template, self.templates_dir()),
        ] {
            if !directory.is_dir() {
                continue;
            }
            for path in self.listing(&directory)? {
                match item(kind, &path) {
                    Ok(item) => items.push(item),
                    // Another process removed it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(self.io(error)),
                }
            }
        }
        Ok(items)
    }

    /// Checks every byte of an item that has a digest. A corrupt item goes to quarantine and its
    /// reason is returned. Only the sizes of a tree's files are known.
    pub fn verify(&self, item: &Item) -> Result<Option<String>, StoreError> {
        match item.kind {
            Kind::Entry => {
                let Some(name) = EntryName::parse(&item.name) else {
                    return Ok(Some("its name is not the name of an entry".to_owned()));
                };
                let ready = match self.entry(&name)? {
                    EntryState::Ready(ready) => ready,
                    EntryState::Vacant(vacant) => return Ok(vacant.corrupt().map(str::to_owned)),
                };
                let Err(why) = ready.verify() else {
                    return Ok(None);
                };
                self.quarantine(&item.path, &format!("entry `{name}` is corrupt: {why}"))
                    .map_err(|error| self.io(error))?;
                Ok(Some(why))
            }
            Kind::Blob => {
                let Ok(digest) = item.name.parse::<Digest>() else {
                    return Ok(Some("its name is not a SHA-256".to_owned()));
                };
                let sound = self.blob(&digest)?.is_some();
                Ok((!sound).then(|| "its bytes do not match the digest in its name".to_owned()))
            }
            Kind::Template => {
                let Ok(key) = item.name.parse::<Digest>() else {
                    return Ok(Some("its name is not a SHA-256".to_owned()));
                };
                let Err(why) = template::verify(&item.path, &key) else {
                    return Ok(None);
                };
                self.quarantine(&item.path, &format!("template `{key}` is corrupt: {why}"))
                    .map_err(|error| self.io(error))?;
                Ok(Some(why))
            }
            Kind::Tree
            | Kind::Part
            | Kind::Quarantined
            | Kind::Log
            | Kind::Probe
            | Kind::Mirror
            | Kind::Repro => Ok(None),
        }
    }

    /// Records for the garbage collection that an item is in use. Writes at most once an hour.
    pub fn touch(&self, file: &Utf8Path) {
        if self.access() == Access::Read {
            return;
        }
        let now = host::clock::now();
        let recent = fs::metadata(file)
            .and_then(|data| data.modified())
            .is_ok_and(|used| now.duration_since(used).is_ok_and(|idle| idle < HOUR));
        if !recent && let Ok(open) = fs::File::open(file) {
            // Without an updated time the entry looks older than it is, which is harmless.
            let _ = open.file().set_modified(now);
        }
    }

    /// Records that the tree `id` is in use.
    pub fn touch_tree(&self, id: &Digest) {
        self.touch(&self.tree_dir(id).join("tree.json"));
    }
}

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

fn item(kind: Kind, path: &Utf8Path) -> io::Result<Item> {
    let data = fs::symlink_metadata(path)?;
    let mut item = Item {
        kind,
        name: path.file_name().unwrap_or_default().to_owned(),
        about: None,
        bytes: data.len(),
        used: data.modified()?,
        path: path.to_owned(),
    };
    let described = match kind {
        Kind::Entry => path.join("entry.json"),
        Kind::Tree => path.join("tree.json"),
        Kind::Template => {
            (item.about, item.bytes) = template::describe(path)?;
            item.used = fs::metadata(template::description(path))?.modified()?;
            return Ok(item);
        }
        Kind::Quarantined | Kind::Repro if data.is_dir() => {
            item.bytes = size(path)?;
            return Ok(item);
        }
        Kind::Blob
        | Kind::Part
        | Kind::Quarantined
        | Kind::Log
        | Kind::Probe
        | Kind::Mirror
        | Kind::Repro => return Ok(item),
    };
    let Ok(text) = fs::read(&described) else {
        item.bytes = size(path)?;
        return Ok(item);
    };
    item.used = fs::metadata(&described)?.modified()?;
    if let Ok(meta) = serde_json::from_slice::<EntryMeta>(&text) {
        let arch = meta.arch.map(|arch| format!(" ({arch})"));
        let arch = arch.unwrap_or_default();
        item.about = Some(format!("{} {}{arch}", meta.recipe, meta.version));
        item.bytes = meta.files.values().map(|file| file.size).sum();
    } else if let Ok(tree) = serde_json::from_slice::<TreeSize>(&text) {
        item.bytes = tree.bytes;
    } else {
        item.bytes = size(path)?;
    }
    Ok(item)
}

/// Size in bytes of all files below a directory.
fn size(directory: &Utf8Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            total += size(entry.path())?;
        } else if kind.is_file() {
            total += entry.metadata()?.len();
        }
    }
    Ok(total)
}
