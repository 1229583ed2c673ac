use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use plan::digest::Digest;
use plan::lock::LockedFile;
use plan::step::{Action, Product};

use fs_err as fs;

use super::*;
use crate::fetch::{Remote, RemoteError, Response, Resume};

/// A mirror that publishes these blobs.
struct Mirror(Vec<&'static [u8]>);

impl Remote for Mirror {
    fn get(&self, url: &str, _: Option<&Resume>) -> Result<Response, RemoteError> {
        let name = url
            .strip_prefix("https://mirror.example/blobs/sha256/")
            .unwrap();
        let blob = self
            .0
            .iter()
            .find(|blob| Digest::of(blob).to_string() == name)
            .copied();
        Ok(Response {
            status: if blob.is_some() { 200 } else { 404 },
            length: None,
            validator: None,
            range: None,
            retry_after: None,
            body: Box::new(blob.unwrap_or_default()),
        })
    }
}

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
    let files = FILES
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), locked(bytes)))
        .collect();
    LockedImage {
        key: image().key,
        files,
    }
}

fn installed(blobs: &[&'static [u8]], lock: &LockedImage) -> Result<Vec<Vec<u8>>, MirrorError> {
    let home = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(home.path().join("store")).unwrap();
    let store = Store::open(&root).unwrap();
    let mut remotes = Remotes::online(Arc::new(Mirror(blobs.to_vec())));
    remotes.mirrors = vec!["https://mirror.example".into()];
    let ready = install(&store, &image(), lock, &remotes, &mut drop)?;
    // What is there needs no mirror.
    assert_eq!(
        install(&store, &image(), lock, &Remotes::offline(), &mut drop)?,
        ready
    );
    Ok(FILES
        .iter()
        .map(|(name, _)| fs::read(ready.file(name).unwrap()).unwrap())
        .collect())
}

#[test]
fn an_image_is_put_together_from_blobs() {
    let files = installed(&[b"kernel", b"userland"], &lock()).unwrap();
    assert_eq!(files, [b"userland".to_vec(), b"kernel".to_vec()]);
}

#[test]
fn a_blob_that_no_mirror_has_is_named() {
    let error = installed(&[b"kernel"], &lock()).unwrap_err().to_string();
    assert!(
        error.starts_with("failed to download `ppc64/initramfs.cpio`"),
        "{error}"
    );
}

#[test]
fn a_lock_of_another_build_is_refused() {
    let lock = LockedImage {
        key: BuildKey::from_bytes([8; 32]),
        ..lock()
    };
    let error = installed(&[], &lock).unwrap_err().to_string();
    assert!(
        error.starts_with("`images.lock` is out of date: it locks build 0808"),
        "{error}"
    );
}
