use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use std::{io, slice};

use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use plan::digest::{BuildKey, Digest};

use super::*;

mod upkeep;

struct Home {
    _kept: tempfile::TempDir,
    root: Utf8PathBuf,
}

fn home() -> Home {
    let home = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(home.path().join("store")).unwrap();
    Home { _kept: home, root }
}

impl Home {
    fn store(&self) -> Store {
        Store::open(&self.root).unwrap()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let listing = self
            .root
            .join("v1")
            .join(directory)
            .read_dir_utf8()
            .unwrap();
        let mut names: Vec<_> = listing
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        names.sort();
        names
    }
}

fn name() -> EntryName {
    EntryName::image(BuildKey::from_bytes([0xab; 32]))
}

fn toolchain_name() -> EntryName {
    EntryName::toolchain(BuildKey::from_bytes([0xcd; 32]), "0123456789ab")
}

fn about() -> About {
    About {
        recipe: "x".to_owned(),
        version: "1".to_owned(),
        arch: None,
        seconds: 0.5,
    }
}

fn vacant(store: &Store, name: &EntryName) -> Vacant {
    match store.entry(name).unwrap() {
        EntryState::Vacant(vacant) => vacant,
        EntryState::Ready(ready) => panic!("{ready:?}"),
    }
}

fn staged(store: &Store, name: &EntryName, content: &str) -> Staging {
    let staging = vacant(store, name).stage().unwrap();
    fs::create_dir(staging.path().join("bin")).unwrap();
    fs::write(staging.path().join("bin/tool"), content).unwrap();
    symlink("tool", staging.path().join("bin/alias")).unwrap();
    fs::write(staging.scratch().join("object"), "not kept").unwrap();
    staging
}

fn ready(store: &Store, name: &EntryName) -> Ready {
    store.entry(name).unwrap().ready().unwrap()
}

#[test]
fn a_new_store_is_private_and_tagged() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let store = home.store();
    assert_eq!(store.access(), Access::Write);
    assert_eq!(
        fs::metadata(&home.root).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let tag = fs::read_to_string(home.root.join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn commit_makes_the_entry_visible() {
    let home = home();
    let store = home.store();
    let staging = staged(&store, &name(), "content");
    assert!(!store.has_entry(&name()));
    let committed = staging.commit(about()).unwrap();
    assert_eq!(ready(&home.store(), &name()), committed);
    let meta = committed.meta();
    assert_eq!(meta.files.keys().collect::<Vec<_>>(), ["bin/tool"]);
    assert_eq!(meta.files["bin/tool"].sha256, Digest::of(b"content"));
    assert_eq!(meta.files["bin/tool"].size, 7);
    assert_eq!(meta.links["bin/alias"], "tool");
    assert_eq!((meta.recipe.as_str(), meta.seconds), ("x", 0.5));
    assert_eq!(
        fs::read_to_string(committed.path().join("bin/alias")).unwrap(),
        "content"
    );
    assert_eq!(home.names("entries"), [name().to_string()]);
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn toolchain_entry_name_contains_host() {
    let home = home();
    let store = home.store();
    staged(&store, &toolchain_name(), "content")
        .commit(about())
        .unwrap();
    let expected = format!("{}-0123456789ab", BuildKey::from_bytes([0xcd; 32]));
    assert_eq!(home.names("entries"), slice::from_ref(&expected));
    assert!(!store.has_entry(&EntryName::image(toolchain_name().key())));
    assert!(!store.has_entry(&EntryName::toolchain(toolchain_name().key(), "another")));
}

#[test]
fn equal_entry_of_another_process_is_success() {
    let home = home();
    let store = home.store();
    let ours = staged(&store, &name(), "same");
    let theirs = staged(&home.store(), &name(), "same")
        .commit(about())
        .unwrap();
    let seconds = About {
        seconds: 99.0,
        ..about()
    };
    assert_eq!(ours.commit(seconds).unwrap(), theirs);
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn conflicting_image_bytes_are_an_error() {
    let home = home();
    let store = home.store();
    let ours = staged(&store, &name(), "ours");
    let theirs = staged(&store, &name(), "theirs").commit(about()).unwrap();
    let error = ours.commit(about()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("with different content: `bin/tool` differs"),
        "{error}"
    );
    assert_eq!(ready(&store, &name()), theirs);
    let ours = staged(&store, &toolchain_name(), "ours");
    let theirs = staged(&store, &toolchain_name(), "theirs")
        .commit(about())
        .unwrap();
    assert_eq!(ours.commit(about()).unwrap(), theirs);
}

#[test]
fn dropped_entry_leaves_nothing() {
    let home = home();
    let store = home.store();
    drop(staged(&store, &name(), "content"));
    vacant(&store, &name());
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn killed_commit_leaves_nothing_visible() {
    let home = home();
    let store = home.store();
    let area = staged(&store, &name(), "half").abandon();
    assert!(area.join("entry/out/bin/tool").is_file());
    vacant(&store, &name());
    assert_eq!(home.names("tmp").len(), 2);
    vacant(&home.store(), &name());
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn live_work_area_is_not_swept() {
    let home = home();
    let store = home.store();
    let staging = staged(&store, &name(), "content");
    home.store();
    staging.commit(about()).unwrap();
    let area = store.workspace().unwrap();
    home.store();
    assert!(area.path().is_dir());
}

#[test]
fn dead_work_directory_is_swept() {
    let home = home();
    home.store();
    let orphan = home.root.join("v1/tmp/orphan/locked");
    fs::create_dir_all(&orphan).unwrap();
    fs::set_permissions(&orphan, Permissions::from_mode(0o500)).unwrap();
    home.store();
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn a_corrupt_image_entry_is_quarantined_and_vacant() {
    let damages = [
        ("out/bin/tool", Some("c0ntent"), "`bin/tool`: expected"),
        ("out/bin/tool", None, "tool"),
        ("out/bin/alias", None, "`bin/alias`"),
        ("entry.json", None, "`entry.json` is missing"),
        ("entry.json", Some("{\"format\":1"), "`entry.json`: "),
    ];
    for (file, content, why) in damages {
        let home = home();
        let store = home.store();
        staged(&store, &name(), "content").commit(about()).unwrap();
        let path = home
            .root
            .join("v1/entries")
            .join(name().to_string())
            .join(file);
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let corrupt = vacant(&store, &name()).corrupt().unwrap().to_owned();
        assert!(
            corrupt.contains("is corrupt: ") && corrupt.contains(why),
            "{corrupt}"
        );
        assert_eq!(home.names("quarantine"), [format!("{}.0", name())]);
        assert_eq!(vacant(&store, &name()).corrupt(), None);
        staged(&store, &name(), "content").commit(about()).unwrap();
        ready(&store, &name()).verify().unwrap();
    }
}

#[test]
fn renamed_entry_is_corrupt() {
    let home = home();
    let store = home.store();
    staged(&store, &name(), "content").commit(about()).unwrap();
    let other = EntryName::image(BuildKey::from_bytes([1; 32]));
    let entries = home.root.join("v1/entries");
    fs::rename(
        entries.join(name().to_string()),
        entries.join(other.to_string()),
    )
    .unwrap();
    assert!(
        vacant(&store, &other)
            .corrupt()
            .unwrap()
            .contains("expected this entry's own description, found that of abab")
    );
}

#[test]
fn toolchain_damaged_by_power_cut_is_quarantined() {
    let home = home();
    let store = home.store();
    staged(&store, &toolchain_name(), "content")
        .commit(about())
        .unwrap();
    let entry = home
        .root
        .join("v1/entries")
        .join(toolchain_name().to_string());
    fs::write(entry.join("boot"), "an earlier boot").unwrap();
    ready(&store, &toolchain_name());
    assert_ne!(
        fs::read_to_string(entry.join("boot")).unwrap(),
        "an earlier boot"
    );
    fs::write(entry.join("boot"), "an earlier boot").unwrap();
    fs::write(entry.join("out/bin/tool"), "").unwrap();
    let corrupt = vacant(&store, &toolchain_name())
        .corrupt()
        .unwrap()
        .to_owned();
    assert!(
        corrupt.ends_with("`bin/tool`: expected 7 bytes, got 0"),
        "{corrupt}"
    );
}

#[test]
fn a_commit_over_a_corrupt_entry_replaces_it() {
    let home = home();
    let store = home.store();
    let ours = staged(&store, &name(), "content");
    let theirs = staged(&store, &name(), "content").commit(about()).unwrap();
    fs::write(theirs.path().join("bin/tool"), "damaged").unwrap();
    ours.commit(about()).unwrap().verify().unwrap();
    ready(&store, &name());
}

#[test]
fn future_entry_version_is_refused() {
    let home = home();
    let store = home.store();
    staged(&store, &name(), "content").commit(about()).unwrap();
    let path = home
        .root
        .join("v1/entries")
        .join(name().to_string())
        .join("entry.json");
    fs::write(path, r#"{"format": 7, "shape": "unknown"}"#).unwrap();
    let error = store.entry(&name()).unwrap_err();
    let expected = format!(
        "unsupported format 7 of entry `{}`: expected at most 1",
        name()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().starts_with("git pull"));
    assert!(store.has_entry(&name()), "it is somebody's, and whole");
}

#[test]
fn read_only_store_refuses_writes_with_hint() {
    let home = home();
    staged(&home.store(), &name(), "content")
        .commit(about())
        .unwrap();
    let store = Store::read_only(&home.root).unwrap();
    ready(&store, &name());
    drop(
        store
            .lock("build", || panic!("nobody to wait for"))
            .unwrap(),
    );
    let error = vacant(&store, &toolchain_name()).stage().unwrap_err();
    let expected = format!(
        "the store `{}` is read-only and lacks the requested entry",
        home.root
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("KILN_STORE"));
    fs::write(ready(&store, &name()).path().join("bin/tool"), "damaged").unwrap();
    assert!(vacant(&store, &name()).corrupt().is_some());
    assert!(store.has_entry(&name()), "a read-only store is not tidied");
}

#[test]
fn directory_without_store_is_reported() {
    let error = Store::read_only(Utf8Path::new("/nonexistent/store")).unwrap_err();
    assert_eq!(error.to_string(), "no store in `/nonexistent/store`");
}

#[test]
fn write_failures_name_their_cause_and_path() {
    let place = Utf8Path::new("/store");
    let check = |kind: io::ErrorKind, message: &str, hint: Option<&str>| {
        let error = StoreError::io(place, io::Error::new(kind, "as told"));
        assert_eq!(error.to_string(), message);
        let shown = error.hint();
        assert_eq!(shown.is_some(), hint.is_some());
        assert!(shown.unwrap_or_default().contains(hint.unwrap_or_default()));
    };
    check(
        io::ErrorKind::StorageFull,
        "no space left in `/store`",
        Some("free space there"),
    );
    check(
        io::ErrorKind::QuotaExceeded,
        "no space left in `/store`",
        Some("KILN_STORE"),
    );
    let sized = StoreError::io(place, io::ErrorKind::StorageFull.into()).needing(70_000);
    assert_eq!(
        sized.to_string(),
        "no space left in `/store` for 70000 bytes"
    );
    let denied = io::Error::new(io::ErrorKind::PermissionDenied, "as told");
    assert!(StoreError::io(place, denied).hint().is_some());
    let read_only = "the store `/store` is read-only and lacks the requested entry";
    check(
        io::ErrorKind::ReadOnlyFilesystem,
        read_only,
        Some("KILN_STORE"),
    );
    check(io::ErrorKind::NotFound, "as told", None);
}

#[test]
fn case_folding_directory_is_refused() {
    let home = home();
    home.store();
    // The result that a case-insensitive file system would give.
    fs::write(home.root.join("cachedir.tag"), "").unwrap();
    let error = Store::open(&home.root).unwrap_err();
    assert!(
        error.to_string().ends_with("is not case-sensitive"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("case-sensitive"));
}

#[test]
fn unstorable_output_is_refused() {
    let home = home();
    let store = home.store();
    let staging = staged(&store, &name(), "content");
    let _socket = std::os::unix::net::UnixListener::bind(staging.path().join("socket")).unwrap();
    let error = staging.commit(about()).unwrap_err().to_string();
    assert!(
        error.starts_with("output `socket` is a device, socket or pipe"),
        "{error}"
    );
    assert!(!store.has_entry(&name()));
}

#[test]
fn lock_excludes_and_reports_waiting() {
    let home = home();
    let (store, other) = (home.store(), home.store());
    let guard = store.lock("x", || panic!("it is free")).unwrap();
    drop(store.lock("y", || panic!("it is another one")).unwrap());
    let mut noticed = false;
    let error = other
        .lock_within("x", Duration::ZERO, || noticed = true)
        .unwrap_err();
    assert!(noticed);
    assert!(error.to_string().ends_with("lock/x.lock`"), "{error}");
    drop(guard);
    drop(other.lock("x", || panic!("it is free again")).unwrap());
}

#[test]
fn concurrent_commits_give_one_entry() {
    let home = home();
    home.store();
    let start = Arc::new(Barrier::new(8));
    let built: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (start, home) = (Arc::clone(&start), &home);
                scope.spawn(move || {
                    start.wait();
                    let store = home.store();
                    let _guard = store.lock("build", || {}).unwrap();
                    match store.entry(&name()).unwrap() {
                        EntryState::Ready(_) => false,
                        EntryState::Vacant(_) => {
                            staged(&store, &name(), "content").commit(about()).unwrap();
                            true
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(built.into_iter().filter(|built| *built).count(), 1);
    ready(&home.store(), &name());
    assert_eq!(home.names("tmp"), Vec::<String>::new());
}

#[test]
fn the_quarantine_keeps_eight() {
    let home = home();
    let store = home.store();
    for _ in 0..11 {
        let blob = store.blob_path(&Digest::of(b"right"));
        fs::write(&blob, "wrong").unwrap();
        assert_eq!(store.blob(&Digest::of(b"right")).unwrap(), None);
    }
    assert_eq!(home.names("quarantine").len(), 8);
}

#[test]
fn wrong_bytes_are_refused_as_a_blob() {
    let home = home();
    let store = home.store();
    let digest = Digest::of(b"right");
    let part = store.part(&digest).unwrap();
    fs::write(&part.bytes, "wrong").unwrap();
    let error = store.adopt(&part.bytes, &digest).unwrap_err().to_string();
    assert!(error.contains(&Digest::of(b"wrong").to_string()), "{error}");
    assert!(!store.has_blob(&digest));
    fs::write(&part.bytes, "right").unwrap();
    let blob = store.adopt(&part.bytes, &digest).unwrap();
    assert_eq!((blob.digest(), blob.size()), (digest, 5));
    assert_eq!(store.blob(&digest).unwrap(), Some(blob.clone()));
    assert_eq!(
        fs::metadata(blob.path()).unwrap().permissions().mode() & 0o777,
        0o444
    );
}

#[test]
fn copied_entry_keeps_its_name() {
    let (here, there) = (home(), home());
    let (store, other) = (here.store(), there.store());
    staged(&store, &toolchain_name(), "bytes")
        .commit(about())
        .unwrap();
    let entry = ready(&store, &toolchain_name());
    let name = EntryName::toolchain(toolchain_name().key(), "ba9876543210");
    let copy = other.copy(&entry, &name).unwrap();
    assert_eq!(copy.name(), &name);
    assert_eq!(copy.meta().files, entry.meta().files);
    assert_eq!(copy.meta().links, entry.meta().links);
    assert_eq!(copy.verify(), Ok(()));
    // An existing file stays, and the stores share no files.
    fs::write(entry.path().join("bin/tool"), "other").unwrap();
    assert_eq!(other.copy(&entry, &name).unwrap(), copy);
    assert_eq!(fs::read(copy.path().join("bin/tool")).unwrap(), b"bytes");
}
