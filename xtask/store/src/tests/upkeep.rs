//! Tests of the inventory, garbage collection, and archives of blobs with real stores.

use std::sync::mpsc;

use super::*;
use crate::gc::Policy;
use crate::inventory::Kind;
use crate::roots::Root;
use crate::transfer::{self, TransferError};

/// Puts bytes into a store like a download.
fn blob(store: &Store, bytes: &[u8]) -> Verified {
    let digest = Digest::of(bytes);
    let part = store.part(&digest).unwrap();
    fs::write(&part.bytes, bytes).unwrap();
    store.adopt(&part.bytes, &digest).unwrap()
}

/// Removes unneeded items of any age.
const AT_ONCE: Policy = Policy {
    idle: Duration::ZERO,
    max_bytes: None,
};

#[test]
fn unneeded_entries_are_listed_and_collected() {
    let home = home();
    let store = home.store();
    let needed = blob(&store, b"needed");
    let other = blob(&store, b"other");
    let mut root = Root::new(&home.root);
    root.blob(&needed.digest());
    // A checkout is a directory that contains `recipes`.
    fs::create_dir(home.root.join("recipes")).unwrap();
    store.keep_root(&root).unwrap();

    let listed: Vec<_> = store.inventory().unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|item| item.kind == Kind::Blob));
    let plan = store.plan_gc(&AT_ONCE).unwrap();
    assert_eq!(plan.freed(), 5);
    // A plan alone removes nothing.
    assert!(other.path().exists());
    let alone = store.alone(Duration::ZERO, || {}).unwrap();
    alone.collect(&plan).unwrap();
    // A second collection changes nothing.
    alone.collect(&plan).unwrap();
    assert!(!other.path().exists() && needed.path().exists());
    assert!(home.names("tmp").is_empty());
}

#[test]
fn every_directory_is_listed_and_collected() {
    let home = home();
    let store = home.store();
    let files = [
        store.log_dir().join("gcc.log"),
        store.probe_dir().join("qemu.json"),
        store.mirror_dir().join("release"),
        store.repro_dir().join("7/v1/blob"),
    ];
    for file in &files {
        host::files::write(file, b"12345").unwrap();
    }
    let listed = store.inventory().unwrap();
    let listed: Vec<_> = listed.iter().map(|item| (item.kind, item.bytes)).collect();
    let kinds = [Kind::Log, Kind::Probe, Kind::Mirror, Kind::Repro];
    assert_eq!(listed, kinds.map(|kind| (kind, 5)));

    let policy = Policy {
        max_bytes: Some(0),
        ..AT_ONCE
    };
    let plan = store.plan_gc(&policy).unwrap();
    let alone = store.alone(Duration::ZERO, || {}).unwrap();
    alone.collect(&plan).unwrap();
    // A release tree replaced by an older one would look new without this file.
    let left = files.map(|file| file.exists());
    assert_eq!(left, [false, false, true, false]);
}

#[test]
fn entry_is_needed_regardless_of_host() {
    let home = home();
    let store = home.store();
    for name in [name(), toolchain_name()] {
        staged(&store, &name, "content").commit(about()).unwrap();
    }
    let mut root = Root::new(&home.root);
    root.entry(toolchain_name().key());
    fs::create_dir(home.root.join("recipes")).unwrap();
    store.keep_root(&root).unwrap();
    let plan = store.plan_gc(&AT_ONCE).unwrap();
    let going: Vec<_> = plan.remove.iter().map(|(item, _)| &item.name).collect();
    assert_eq!(going, [&name().to_string()]);
    let about = plan.remove[0].0.about.as_deref();
    assert_eq!(about, Some("x 1"));
}

#[test]
fn open_store_is_not_collected() {
    let home = home();
    let store = home.store();
    let user = home.store();
    let mut noticed = false;
    let refused = store.alone(Duration::ZERO, || noticed = true).err();
    assert!(matches!(refused, Some(StoreError::LockTimeout { .. })));
    assert!(noticed);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let alone = store.alone(Duration::from_secs(60), || sender.send(()).unwrap());
            drop(alone.unwrap());
        });
        receiver.recv().unwrap();
        drop(user);
        waiting.join().unwrap();
    });
    // The store is shared again: others can open it, and exclusive access works only without them.
    let _user = home.store();
    assert!(store.alone(Duration::ZERO, || {}).is_err());
}

#[test]
fn changed_blob_is_quarantined() {
    let home = home();
    let store = home.store();
    let bad = blob(&store, b"as it was");
    let good = blob(&store, b"good");
    fs::remove_file(bad.path()).unwrap();
    fs::write(bad.path(), b"as it is!").unwrap();
    let items = store.inventory().unwrap();
    let wrong: Vec<_> = items
        .iter()
        .filter(|item| store.verify(item).unwrap().is_some())
        .map(|item| item.name.clone())
        .collect();
    assert_eq!(wrong, [bad.digest().to_string()]);
    assert!(good.path().exists() && !bad.path().exists());
    assert_eq!(home.names("quarantine").len(), 1);
}

#[test]
fn import_accepts_only_correct_blobs() {
    let from = home();
    let to = home();
    let store = from.store();
    let blobs = [blob(&store, b"one"), blob(&store, b"two")];
    let path = from.root.join("store.tar");
    transfer::export(&blobs, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    transfer::export(&blobs, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes, "an archive has one form");

    let target = to.store();
    assert_eq!(transfer::import(&target, &path).unwrap(), 2);
    assert_eq!(transfer::import(&target, &path).unwrap(), 0);
    // A corrupt blob is imported again.
    let corrupt = target.blob_path(&blobs[0].digest());
    fs::remove_file(&corrupt).unwrap();
    fs::write(&corrupt, b"0ne").unwrap();
    assert_eq!(transfer::import(&target, &path).unwrap(), 1);
    let got = target.blob(&blobs[1].digest()).unwrap().unwrap();
    assert_eq!(fs::read(got.path()).unwrap(), b"two");

    let spoilt = home();
    let at = bytes.windows(3).position(|bytes| bytes == b"two").unwrap();
    let mut wrong = bytes.clone();
    wrong[at] = b'T';
    fs::write(&path, &wrong).unwrap();
    let refused = transfer::import(&spoilt.store(), &path).unwrap_err();
    assert!(matches!(
        refused,
        TransferError::Store(StoreError::Corrupt { .. })
    ));
    assert_eq!(spoilt.names("blobs/sha256").len(), 1, "the first was right");

    fs::write(&path, &bytes[..700]).unwrap();
    let cut = transfer::import(&home().store(), &path);
    assert!(
        matches!(cut, Err(TransferError::Unreadable { .. })),
        "{cut:?}"
    );
}

#[test]
fn unexpected_archive_member_is_refused() {
    let check = |name: &str, kind: tar::EntryType| {
        let home = home();
        let path = home.root.with_extension("tar");
        let mut archive = tar::Builder::new(fs::File::create(&path).unwrap());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        // Written as bytes, because the `tar` crate itself refuses to write `..`.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, &b""[..]).unwrap();
        archive.finish().unwrap();
        let refused = transfer::import(&home.store(), &path).unwrap_err();
        assert!(
            matches!(&refused, TransferError::Foreign { name: its, .. } if its == name),
            "{refused}"
        );
    };
    let digest = Digest::of(b"");
    check("../../outside", tar::EntryType::Regular);
    check("/etc/passwd", tar::EntryType::Regular);
    check("blobs/sha256/short", tar::EntryType::Regular);
    check(&format!("blobs/sha256/{digest}"), tar::EntryType::Symlink);
    check(
        &format!("blobs/sha256/../sha256/{digest}"),
        tar::EntryType::Regular,
    );
}
