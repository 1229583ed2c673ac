//! Builds image entries from blobs that were imported or fetched from a mirror.

use plan::lock::LockedImage;
use plan::source::SourcePin;
use plan::step::Step;
use store::{About, EntryName, EntryState, Ready, Store, StoreError};

/// Commits the locked files as the entry of `image`, unless it exists. Returns `None` if the store
/// lacks a file. A corrupt file goes to quarantine and counts as absent. Only the lock is trusted.
pub fn install(
    store: &Store,
    image: &Step,
    locked: &LockedImage,
) -> Result<Option<Ready>, StoreError> {
    let vacant = match store.entry(&EntryName::image(image.key))? {
        EntryState::Ready(ready) => return Ok(Some(ready)),
        EntryState::Vacant(vacant) => vacant,
    };
    let mut blobs = Vec::new();
    for (name, file) in &locked.files {
        match store
            .blob(&file.sha256)?
            .filter(|blob| blob.size() == file.size)
        {
            Some(blob) => blobs.push((name, blob)),
            None => return Ok(None),
        }
    }
    let staging = vacant.stage()?;
    for (name, blob) in blobs {
        blob.lay_out(&staging.path().join(name))
            .map_err(|error| StoreError::io(store.root(), error))?;
    }
    Ok(Some(staging.commit(About::step(image, 0.0))?))
}

/// The files of a locked image. They have no URL of their own: only mirrors have them.
#[must_use]
pub fn pins(image: &Step, locked: &LockedImage) -> Vec<SourcePin> {
    let arch = image.arch.as_deref();
    let above = arch.map_or_else(String::new, |arch| format!("{arch}/"));
    let files = locked.files.iter();
    let pin = files.map(|(name, file)| SourcePin {
        file: format!("{above}{name}"),
        size: file.size,
        sha256: file.sha256,
        locations: Vec::new(),
    });
    pin.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8Path;
    use fs_err as fs;
    use plan::digest::{BuildKey, Digest};
    use plan::lock::LockedFile;
    use plan::step::{Action, Product};

    use super::*;

    const FILES: [(&str, &[u8]); 2] = [("initramfs.cpio", b"userland"), ("kernel", b"kernel")];

    fn image() -> Step {
        Step {
            recipe: "image".to_owned(),
            version: "1".to_owned(),
            license: "GPL-2.0-only".to_owned(),
            arch: Some("ppc64".to_owned()),
            product: Product::Image,
            action: Action::Gather(BTreeMap::new()),
            sources: Vec::new(),
            inputs: Vec::new(),
            files: BTreeMap::new(),
            frozen: Vec::new(),
            key: BuildKey::from_bytes([7; 32]),
        }
    }

    fn lock() -> LockedImage {
        let locked = |bytes: &[u8]| LockedFile {
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
        };
        let files = FILES.iter();
        LockedImage {
            key: image().key,
            files: files
                .map(|(name, bytes)| ((*name).to_owned(), locked(bytes)))
                .collect(),
        }
    }

    #[test]
    fn image_is_made_from_blobs_alone() {
        let home = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(home.path()).unwrap();
        let store = Store::open(&root.join("store")).unwrap();
        let keep = |bytes: &[u8]| {
            fs::write(root.join("file"), bytes).unwrap();
            store.keep(&root.join("file"), &Digest::of(bytes)).unwrap();
        };
        keep(b"kernel");
        assert_eq!(install(&store, &image(), &lock()).unwrap(), None);
        keep(b"userland");
        let ready = install(&store, &image(), &lock()).unwrap().unwrap();
        for (name, bytes) in FILES {
            assert_eq!(fs::read(ready.file(name).unwrap()).unwrap(), bytes);
        }
        fs::remove_file(store.blob_path(&Digest::of(b"kernel"))).unwrap();
        assert_eq!(install(&store, &image(), &lock()).unwrap(), Some(ready));
    }

    #[test]
    fn corrupt_blob_counts_as_absent() {
        let home = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(home.path()).unwrap();
        let store = Store::open(&root.join("store")).unwrap();
        for (_, bytes) in FILES {
            fs::write(store.blob_path(&Digest::of(bytes)), b"other").unwrap();
        }
        assert_eq!(install(&store, &image(), &lock()).unwrap(), None);
    }
}
