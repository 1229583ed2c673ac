use std::time::Duration;

use plan::digest::Digest;
use plan::source::{Patch, Source, SourcePin};
use store::{Store, Verified};

use super::*;

fn source(store: &Store, packed: &[u8], patches: &[(&str, &str)]) -> (Source, Verified) {
    let sha256 = Digest::of(packed);
    let part = store.part(&sha256).unwrap();
    fs::write(&part.bytes, packed).unwrap();
    let archive = store.adopt(&part.bytes, &sha256).unwrap();
    let patch = |(path, text): &(&str, &str)| Patch {
        path: (*path).into(),
        text: (*text).to_owned(),
    };
    let source = Source {
        name: "x".to_owned(),
        pin: SourcePin {
            file: "x.tar.gz".to_owned(),
            size: packed.len() as u64,
            sha256,
            locations: Vec::new(),
        },
        inner: None,
        strip: 1,
        patches: patches.iter().map(patch).collect(),
    };
    (source, archive)
}

const PATCH: &str = "\
Origin: ours
Says why.

--- a/d/x
+++ b/d/x
@@ -2,2 +2,2 @@
 two
-three
+drei
--- /dev/null
+++ b/d/new
@@ -0,0 +1 @@
+new
";

/// An archive with the file that the patch changes.
fn packed() -> Vec<u8> {
    let tree = tar().dir("top/d");
    gzip(&tree.file("top/d/x", "one\ntwo\nthree\n").end())
}

#[test]
fn tree_is_made_once_per_key() {
    let home = home();
    let store = Store::open(&home.path.join("store")).unwrap();
    let packed = packed();
    let (plain, archive) = source(&store, &packed, &[]);
    let (patched, _) = source(&store, &packed, &[("p.patch", PATCH)]);
    let mut started = 0;
    let mut count = |event| started += u32::from(matches!(event, Event::Started { .. }));
    let first = tree(&store, &plain, &archive, &mut count).unwrap();
    assert_eq!(tree(&store, &plain, &archive, &mut count).unwrap(), first);
    let second = tree(&store, &patched, &archive, &mut count).unwrap();
    assert_eq!(started, 2);
    assert_ne!(first, second);
    assert_eq!(
        fs::read_to_string(first.join("d/x")).unwrap(),
        "one\ntwo\nthree\n"
    );
    assert_eq!(
        fs::read_to_string(second.join("d/x")).unwrap(),
        "one\ntwo\ndrei\n"
    );
    let read_only = Store::read_only(store.root()).unwrap();
    assert_eq!(
        tree(&read_only, &plain, &archive, &mut drop).unwrap(),
        first
    );
}

#[test]
fn patched_file_keeps_its_time() {
    let home = home();
    let store = Store::open(&home.path.join("store")).unwrap();
    let packed = packed();
    let (source, archive) = source(&store, &packed, &[("p.patch", PATCH)]);
    let root = tree(&store, &source, &archive, &mut drop).unwrap();
    for name in ["d/x", "d/new", "d"] {
        let time = fs::metadata(root.join(name)).unwrap().modified().unwrap();
        assert_eq!(
            time,
            SystemTime::UNIX_EPOCH + Duration::from_secs(TIME),
            "{name}"
        );
    }
    assert_eq!(
        fs::metadata(root.join("d/new"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o644
    );
}

#[test]
fn archive_that_differs_from_pin_is_refused() {
    let home = home();
    let store = Store::open(&home.path.join("store")).unwrap();
    let (one, _) = source(&store, &gzip(&tar().file("top/x", "1").end()), &[]);
    let (_, other) = source(&store, &gzip(&tar().file("top/x", "2").end()), &[]);
    let error = tree(&store, &one, &other, &mut drop)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("digest mismatch of `x.tar.gz`: expected "),
        "{error}"
    );
}

#[test]
fn a_refused_archive_leaves_nothing_in_the_store() {
    let home = home();
    let store = Store::open(&home.path.join("store")).unwrap();
    let (bad, archive) = source(&store, &gzip(&tar().file("top/../../x", "1").end()), &[]);
    tree(&store, &bad, &archive, &mut drop).unwrap_err();
    for directory in ["tree", "tmp"] {
        let path = store.root().join("v1").join(directory);
        assert_eq!(fs::read_dir(path).unwrap().count(), 0, "{directory}");
    }
}

#[test]
fn tree_damaged_by_power_cut_is_remade() {
    let home = home();
    let store = Store::open(&home.path.join("store")).unwrap();
    let (source, archive) = source(&store, &gzip(&tar().file("top/x", "content").end()), &[]);
    let root = tree(&store, &source, &archive, &mut drop).unwrap();
    let mark = root.parent().unwrap().join("boot");
    fs::write(&mark, "an earlier boot").unwrap();
    assert_eq!(
        tree(&store, &source, &archive, &mut |event| panic!("{event:?}")).unwrap(),
        root
    );
    assert_ne!(fs::read_to_string(&mark).unwrap(), "an earlier boot");
    fs::write(&mark, "an earlier boot").unwrap();
    fs::write(root.join("x"), "").unwrap();
    assert_eq!(tree(&store, &source, &archive, &mut drop).unwrap(), root);
    assert_eq!(fs::read_to_string(root.join("x")).unwrap(), "content");
}
