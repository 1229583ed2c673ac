//! Facts learnt about warm starts with one QEMU, stored among the probe results. Without them they
//! are learnt again.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use plan::digest::Digest;
use serde::{Deserialize, Serialize};
use store::Store;

/// The facts about one QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Sets of device types with which it failed to load a saved guest.
    unmovable: Vec<BTreeSet<String>>,
    /// Machines that it cannot save, each with the reason.
    machines: BTreeMap<String, String>,
    /// Images whose init cannot be saved.
    images: BTreeSet<String>,
}

impl Known {
    pub(super) fn read(store: &Store, emulator: &Digest) -> Self {
        let text = host::files::read(&path(store, emulator)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn write(&self, store: &Store, emulator: &Digest) {
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            // With a read-only store they are learnt again the next time.
            let _ = host::files::write(&path(store, emulator), &text);
        }
    }

    pub(super) fn unmovable(&self) -> &[BTreeSet<String>] {
        &self.unmovable
    }

    pub(super) fn image_resumes(&self, image: &Digest) -> bool {
        !self.images.contains(&image.to_string())
    }

    pub(super) fn note_devices(&mut self, types: BTreeSet<String>) {
        if !types.is_empty() && !self.unmovable.contains(&types) {
            self.unmovable.push(types);
        }
    }

    /// Why no template of this key is possible.
    pub(super) fn machine(&self, key: &Digest) -> Option<String> {
        self.machines.get(&key.to_string()).cloned()
    }

    pub(super) fn note_machine(&mut self, key: &Digest, why: &str) {
        self.machines.insert(key.to_string(), why.to_owned());
    }

    pub(super) fn note_image(&mut self, image: Digest) {
        self.images.insert(image.to_string());
    }
}

fn path(store: &Store, emulator: &Digest) -> Utf8PathBuf {
    store.probe_dir().join(format!("warm-{emulator}.json"))
}

/// The SHA-256 of a QEMU binary, cached as long as the file does not change.
pub(super) fn digest(store: &Store, binary: &Utf8Path) -> Result<Digest, String> {
    if host::files::is_script(binary) {
        return Err("QEMU is started by a script".to_owned());
    }
    let failed = |error: std::io::Error| format!("failed to read `{binary}`: {error}");
    let identity = host::files::identity(binary).map_err(failed)?;
    let name = Digest::of(format!("{binary} {identity}").as_bytes());
    let cache = store.probe_dir().join(format!("digest-{name}"));
    let kept = host::files::read(&cache).unwrap_or_default();
    if let Ok(digest) = String::from_utf8_lossy(&kept).parse() {
        return Ok(digest);
    }
    let (_, digest) = store::digest_file(binary).map_err(failed)?;
    let _ = host::files::write(&cache, digest.to_string().as_bytes());
    Ok(digest)
}

/// The digest of the names and versions of all files in QEMU's data directories, such as firmware.
pub(super) fn data_files(directories: &[Utf8PathBuf]) -> Result<Digest, String> {
    let mut files = BTreeSet::new();
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        let failed = |error: std::io::Error| format!("failed to read `{directory}`: {error}");
        for entry in directory.read_dir_utf8().map_err(failed)? {
            let path = entry.map_err(failed)?.into_path();
            // A broken link has no version.
            let identity = host::files::identity(&path).unwrap_or_default();
            files.insert(format!("{path} {identity}\n"));
        }
    }
    Ok(Digest::of(files.into_iter().collect::<String>().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learnt_facts_are_stored_for_later_runs() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        let (emulator, image) = (Digest::of(b"qemu"), Digest::of(b"image"));
        let mut known = Known::read(&store, &emulator);
        assert!(known.image_resumes(&image));
        known.note_image(image);
        known.note_devices(BTreeSet::from(["nvme".to_owned()]));
        known.note_devices(BTreeSet::new());
        known.write(&store, &emulator);
        let read = Known::read(&store, &emulator);
        assert_eq!(read, known);
        assert_eq!(read.unmovable(), [BTreeSet::from(["nvme".to_owned()])]);
        assert!(!read.image_resumes(&image));
        // Another QEMU may succeed.
        assert_eq!(Known::read(&store, &Digest::of(b"other")), Known::default());
        host::files::write(&path(&store, &emulator), b"damaged").unwrap();
        assert_eq!(Known::read(&store, &emulator), Known::default());
    }

    #[test]
    fn changed_firmware_has_another_digest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let directories = [root.to_owned(), root.join("absent")];
        let digest = || data_files(&directories).unwrap();
        let mut found = BTreeSet::from([digest().to_string()]);
        let mut note = || assert!(found.insert(digest().to_string()));
        fs_err::write(root.join("bios.bin"), "one").unwrap();
        note();
        fs_err::write(root.join("bios.bin"), "longer").unwrap();
        note();
        fs_err::rename(root.join("bios.bin"), root.join("vgabios.bin")).unwrap();
        note();
        assert_eq!(digest(), digest());
    }

    #[test]
    fn rebuilt_binary_has_another_digest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let store = Store::open(&root.join("store")).unwrap();
        let binary = root.join("qemu");
        fs_err::write(&binary, "one").unwrap();
        let one = digest(&store, &binary).unwrap();
        assert_eq!(digest(&store, &binary), Ok(one));
        fs_err::remove_file(&binary).unwrap();
        fs_err::write(&binary, "another").unwrap();
        assert_eq!(digest(&store, &binary), Ok(Digest::of(b"another")));
        fs_err::write(&binary, "#!/bin/sh\n").unwrap();
        assert!(digest(&store, &binary).is_err());
    }
}
