//! Templates: saved guests, each named by a key of everything that it depends on.
//!
//! A template is a directory with the memory of the guest (`ram`, sparse), the state of its devices
//! (`state`) and a description (`template.json`). It appears by rename only. The first lookup of a
//! boot hashes all bytes, and so does one after a change. A corrupt template goes to quarantine and counts as absent. A template depends on this
//! machine's QEMU and can always be made again, so nothing is synced.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::workspace::Workspace;
use crate::{Store, StoreError};

/// Format of `template.json`, of the files and of the data that the guest received before it was
/// saved.
pub const TEMPLATE_FORMAT: u32 = 2;
/// The file name of the description.
const DESCRIPTION: &str = "template.json";
/// Memory is hashed in pages of this size. Pages of zeros are skipped.
const PAGE: usize = 4096;
const ZEROS: [u8; PAGE] = [0; PAGE];

/// Facts about the saved guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedGuest {
    /// Architecture and machine, for listings.
    pub about: String,
    /// The id under which the guest was saved. The guest knows it.
    pub id: String,
    /// Device and function numbers on its first PCI bus.
    pub pci: Vec<(u64, u64)>,
    /// The CPU time of its boot.
    pub boot: Duration,
    /// The CPU time until a guest that was restored from it answered.
    pub restore: Duration,
}

/// `template.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    key: Digest,
    guest: SavedGuest,
    ram: Content,
    state: Content,
}

/// Size and digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    size: u64,
    sha256: Digest,
}

/// A template with checked bytes.
#[derive(Debug, Clone)]
pub struct Template {
    dir: Utf8PathBuf,
    guest: SavedGuest,
    identity: [String; 2],
}

/// An unfinished template, which is removed on drop.
#[derive(Debug)]
pub struct TemplateStaging {
    area: Workspace,
}

impl Template {
    /// The file of the memory.
    #[must_use]
    pub fn ram(&self) -> Utf8PathBuf {
        ram(&self.dir)
    }

    /// The file of the device state.
    #[must_use]
    pub fn state(&self) -> Utf8PathBuf {
        state(&self.dir)
    }

    /// Facts about the guest.
    #[must_use]
    pub fn guest(&self) -> &SavedGuest {
        &self.guest
    }

    /// Whether the files are still those that were checked.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        identities(&self.dir).is_ok_and(|now| now == self.identity)
    }
}

impl TemplateStaging {
    /// The file in which QEMU is to keep the memory.
    #[must_use]
    pub fn ram(&self) -> Utf8PathBuf {
        ram(self.area.path())
    }

    /// The file in which QEMU is to save the device state.
    #[must_use]
    pub fn state(&self) -> Utf8PathBuf {
        state(self.area.path())
    }
}

impl Store {
    /// Looks up the template of a key and checks its bytes.
    pub fn template(&self, key: &Digest) -> Result<Option<Template>, StoreError> {
        let dir = self.template_dir(key);
        if !dir.is_dir() {
            return Ok(None);
        }
        let looked_up = read(&dir, key).and_then(|(description, template)| {
            let files = [template.ram(), template.state()];
            self.check_once(&dir, &files, host::clock::now(), || {
                check(&dir, &description)
            })?;
            Ok(template)
        });
        match looked_up {
            Ok(template) => {
                self.touch(&dir.join(DESCRIPTION));
                Ok(Some(template))
            }
            Err(why) => {
                self.quarantine(&dir, &format!("template `{key}` is corrupt: {why}"))
                    .map_err(|error| self.io(error))?;
                Ok(None)
            }
        }
    }

    /// Creates a work area for a template.
    pub fn stage_template(&self) -> Result<TemplateStaging, StoreError> {
        let area = self.workspace()?;
        Ok(TemplateStaging { area })
    }

    /// Commits saved files as the template of a key. The caller holds the lock of the key.
    pub fn commit_template(
        &self,
        staging: TemplateStaging,
        key: &Digest,
        guest: SavedGuest,
    ) -> Result<Template, StoreError> {
        let TemplateStaging { area: workspace } = staging;
        let area = workspace.path();
        let wrap = |error| self.io(error);
        let description = Description {
            format: TEMPLATE_FORMAT,
            key: *key,
            guest,
            ram: content(&ram(area)).map_err(wrap)?,
            state: content(&state(area)).map_err(wrap)?,
        };
        let kept = area.join("template");
        fs::create_dir(&kept).map_err(wrap)?;
        for file in [ram, state] {
            fs::rename(file(area), file(&kept)).map_err(wrap)?;
            fs::set_permissions(file(&kept), Permissions::from_mode(0o444)).map_err(wrap)?;
        }
        let text = serde_json::to_vec_pretty(&description).map_err(io::Error::from)?;
        fs::write(kept.join(DESCRIPTION), text).map_err(wrap)?;
        let dir = self.template_dir(key);
        fs::rename(&kept, &dir).map_err(wrap)?;
        Ok(Template {
            identity: identities(&dir).map_err(wrap)?,
            guest: description.guest,
            dir,
        })
    }

    pub(crate) fn templates_dir(&self) -> Utf8PathBuf {
        self.layout().join("templates")
    }

    fn template_dir(&self, key: &Digest) -> Utf8PathBuf {
        self.templates_dir().join(key.to_string())
    }
}

fn ram(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("ram")
}

fn state(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("state")
}

/// Hashes the files of a template. The error is one line.
pub(crate) fn verify(dir: &Utf8Path, key: &Digest) -> Result<(), String> {
    let (description, _) = read(dir, key)?;
    check(dir, &description)
}

fn read(dir: &Utf8Path, key: &Digest) -> Result<(Description, Template), String> {
    let text = fs::read(dir.join(DESCRIPTION)).map_err(|error| error.to_string())?;
    let description: Description =
        serde_json::from_slice(&text).map_err(|error| format!("invalid {DESCRIPTION}: {error}"))?;
    if description.format != TEMPLATE_FORMAT || description.key != *key {
        return Err("its description has another key".to_owned());
    }
    let template = Template {
        dir: dir.to_owned(),
        guest: description.guest.clone(),
        // Read before the bytes, so that a later change is noticed.
        identity: identities(dir).map_err(|error| error.to_string())?,
    };
    Ok((description, template))
}

fn check(dir: &Utf8Path, description: &Description) -> Result<(), String> {
    for (path, expected) in [
        (ram(dir), &description.ram),
        (state(dir), &description.state),
    ] {
        let found = content(&path).map_err(|error| error.to_string())?;
        if found != *expected {
            let name = path.file_name().unwrap_or_default();
            return Err(format!(
                "`{name}` has {} bytes and SHA-256 {}, expected {} and {}",
                found.size, found.sha256, expected.size, expected.sha256
            ));
        }
    }
    Ok(())
}

/// The description of a template for listings, and its size on disk in bytes.
pub(crate) fn describe(dir: &Utf8Path) -> io::Result<(Option<String>, u64)> {
    let blocks = [ram(dir), state(dir)].into_iter().filter_map(|path| {
        let data = fs::metadata(&path).ok()?;
        Some(data.blocks() * 512)
    });
    let bytes = blocks.sum();
    let text = fs::read(dir.join(DESCRIPTION))?;
    let description = serde_json::from_slice::<Description>(&text).ok();
    Ok((description.map(|known| known.guest.about), bytes))
}

/// The file whose time is the age of a template.
pub(crate) fn description(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join(DESCRIPTION)
}

fn identities(dir: &Utf8Path) -> io::Result<[String; 2]> {
    Ok([
        host::files::identity(&ram(dir))?,
        host::files::identity(&state(dir))?,
    ])
}

/// The size of a file, and the SHA-256 over position and bytes of each page that is not zero. Holes
/// need not be read.
fn content(path: &Utf8Path) -> io::Result<Content> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut hasher = Sha256::new();
    let mut page = [0; PAGE];
    let mut offset = 0;
    while let Some(start) = next(seek(&file, SeekFrom::Data(offset)))? {
        let end = next(seek(&file, SeekFrom::Hole(start)))?.unwrap_or(size);
        offset = start - start % PAGE as u64;
        while offset < end {
            let count = read_page(file.file(), &mut page, offset)?;
            if page[..count] != ZEROS[..count] {
                hasher.update(offset.to_le_bytes());
                hasher.update(&page[..count]);
            }
            offset += PAGE as u64;
        }
    }
    Ok(Content {
        size,
        sha256: Digest::from_bytes(hasher.finalize().into()),
    })
}

/// The result of a search in a sparse file, or `None` at the end of the file.
fn next(found: Result<u64, Errno>) -> io::Result<Option<u64>> {
    match found {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read_page(file: &std::fs::File, page: &mut [u8; PAGE], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < PAGE {
        match file.read_at(&mut page[count..], offset + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    /// The name of a damage to a template, and the function that does it.
    type Damage = (&'static str, fn(&Utf8Path));

    fn made() -> (tempfile::TempDir, Store, Digest) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        let key = Digest::from_bytes(KEY);
        let staging = store.stage_template().unwrap();
        let file = fs::File::create(staging.ram()).unwrap();
        file.set_len(64 << 20).unwrap();
        file.file().write_all_at(b"kernel", 5 << 20).unwrap();
        fs::write(staging.state(), "devices").unwrap();
        let guest = SavedGuest {
            about: "arch machine".to_owned(),
            id: "0".repeat(32),
            pci: vec![(30, 0)],
            boot: Duration::from_secs(1),
            restore: Duration::from_millis(200),
        };
        store.commit_template(staging, &key, guest).unwrap();
        (dir, store, key)
    }

    #[test]
    fn template_is_found_by_its_key_only() {
        let (_dir, store, key) = made();
        let template = store.template(&key).unwrap().unwrap();
        assert_eq!(template.guest().pci, [(30, 0)]);
        assert!(template.is_unchanged());
        let other = Digest::from_bytes([8; 32]);
        assert!(store.template(&other).unwrap().is_none());
        // A template that was renamed does not belong to its new name.
        fs::rename(store.template_dir(&key), store.template_dir(&other)).unwrap();
        assert!(store.template(&other).unwrap().is_none());
    }

    #[test]
    fn damaged_template_is_quarantined() {
        let damages: [Damage; 5] = [
            ("a byte in memory", |dir| write_at(&ram(dir), 5 << 20, b"K")),
            ("a byte in a hole", |dir| write_at(&ram(dir), 1 << 20, b"K")),
            ("shortened memory", |dir| truncate(&ram(dir), 4 << 20)),
            ("shortened state", |dir| truncate(&state(dir), 3)),
            ("no state", |dir| fs::remove_file(state(dir)).unwrap()),
        ];
        for (what, damage) in damages {
            let (_dir, store, key) = made();
            let template = store.template(&key).unwrap().unwrap();
            damage(&store.template_dir(&key));
            assert!(!template.is_unchanged(), "{what}");
            assert!(store.template(&key).unwrap().is_none(), "{what}");
            assert!(!store.template_dir(&key).exists(), "{what}");
        }
    }

    #[test]
    fn holes_and_zeros_have_the_same_digest() {
        let (_dir, store, key) = made();
        let path = ram(&store.template_dir(&key));
        let before = content(&path).unwrap();
        write_at(&path, 9 << 20, &[0; 8192]);
        assert_eq!(content(&path).unwrap(), before);
    }

    #[test]
    fn template_is_listed_with_its_size_on_disk() {
        let (_dir, store, key) = made();
        let items = store.inventory().unwrap();
        let item = items
            .iter()
            .find(|item| item.name == key.to_string())
            .unwrap();
        assert_eq!(item.kind, crate::inventory::Kind::Template);
        assert_eq!(item.about.as_deref(), Some("arch machine"));
        assert!(item.bytes < 1 << 20, "{}", item.bytes);
        assert_eq!(store.verify(item).unwrap(), None);
        write_at(&ram(&store.template_dir(&key)), 0, b"K");
        assert!(store.verify(item).unwrap().unwrap().contains("`ram` has"));
    }

    fn write_at(path: &Utf8Path, offset: u64, bytes: &[u8]) {
        writable(path).file().write_all_at(bytes, offset).unwrap();
    }

    fn truncate(path: &Utf8Path, size: u64) {
        writable(path).set_len(size).unwrap();
    }

    fn writable(path: &Utf8Path) -> fs::File {
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        fs::OpenOptions::new().write(true).open(path).unwrap()
    }
}
