//! Black-box tests of `cargo xtask store …`. The images come from the repository. No test here
//! needs QEMU or a network.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use harness::store::offline;

/// A store with the image of one architecture, and the path of its kernel.
fn store_with_an_image() -> (tempfile::TempDir, PathBuf) {
    let store = tempfile::tempdir().unwrap();
    let (code, out, err) = offline(store.path(), &["store", "path", "aarch64"]);
    assert_eq!(code, 0, "{err}");
    let kernel = Path::new(out.trim()).join("kernel");
    assert!(kernel.is_file(), "{out}");
    (store, kernel)
}

#[test]
fn store_list_and_gc_leave_store_unchanged() {
    let (store, kernel) = store_with_an_image();
    let (code, out, _) = offline(store.path(), &["store", "list"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("image 1 (aarch64)") && out.contains("needed by"),
        "{out}"
    );
    let (_, out, _) = offline(store.path(), &["store", "du", "--message-format=json"]);
    let sums: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(sums["kinds"]["entry"]["count"], 1, "{out}");
    assert!(sums["bytes"].as_u64().unwrap() > 1 << 20);
    let args = [
        "store",
        "gc",
        "--older-than",
        "0",
        "--max-size",
        "1K",
        "--yes",
    ];
    let (code, out, _) = offline(store.path(), &args);
    assert_eq!((code, out.starts_with("removed 0 ")), (0, true), "{out}");
    assert!(kernel.exists());
}

#[test]
fn gc_plans_before_removing_unneeded_entries() {
    let (store, kernel) = store_with_an_image();
    // Entries that other versions of the recipes have built.
    let entries = kernel.ancestors().nth(3).unwrap();
    let stale = entries.join("0".repeat(64));
    std::fs::create_dir(&stale).unwrap();
    std::fs::write(stale.join("entry.json"), "{}").unwrap();
    let gc = ["store", "gc", "--older-than", "0"];
    let (code, out, err) = offline(store.path(), &gc);
    assert_eq!(code, 0);
    assert!(
        out.contains("000000000000…") && out.contains("would remove 1 "),
        "{out}"
    );
    assert!(err.contains("--yes"), "{err}");
    assert!(stale.exists());
    let (_, out, _) = offline(store.path(), &[&gc[..], &["--yes"]].concat());
    assert!(out.starts_with("removed 1 "), "{out}");
    assert!(!stale.exists() && kernel.exists());
}

#[test]
fn corrupt_entries_are_named_and_repaired() {
    let (store, kernel) = store_with_an_image();
    let (code, out, _) = offline(store.path(), &["store", "verify"]);
    assert_eq!((code, out.contains("none corrupt")), (0, true), "{out}");
    let mut bytes = std::fs::read(&kernel).unwrap();
    bytes[12345] ^= 1;
    std::fs::write(&kernel, &bytes).unwrap();
    let (code, out, err) = offline(store.path(), &["store", "verify"]);
    assert_eq!(code, 102, "{err}");
    assert!(
        out.contains("image 1 (aarch64)") && out.contains("`kernel`"),
        "{out}"
    );
    assert!(err.contains("cargo xtask store verify --repair"), "{err}");
    // The image exists again. The sources do not, and cannot be fetched offline.
    let (code, _, err) = offline(store.path(), &["store", "verify", "--repair"]);
    assert_eq!(code, 102, "{err}");
    assert!(err.contains("cargo xtask fetch"), "{err}");
    bytes[12345] ^= 1;
    assert_eq!(std::fs::read(&kernel).unwrap(), bytes);
}

#[test]
fn exported_image_works_on_bare_machine() {
    let (store, kernel) = store_with_an_image();
    let archive = store.path().join("images.tar");
    let archive = archive.to_str().unwrap();
    let export = [
        "store",
        "export",
        archive,
        "--no-sources",
        "--arch",
        "aarch64",
    ];
    let (code, out, err) = offline(store.path(), &export);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("cargo xtask store import images.tar"), "{out}");
    let plain = store.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(Path::new(archive)), mode(&plain));

    let other = tempfile::tempdir().unwrap();
    let lacks = ["images", "--no-prebuilt", "--arch", "aarch64"];
    assert_ne!(offline(other.path(), &lacks).0, 0);
    let (code, out, err) = offline(other.path(), &["store", "import", archive]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.ends_with(&format!("files into {}\n", other.path().display())),
        "{out}"
    );
    let (code, out, err) = offline(other.path(), &lacks);
    assert_eq!(code, 0, "{err}");
    let theirs = Path::new(out.split_whitespace().last().unwrap()).join("kernel");
    assert_eq!(
        std::fs::read(theirs).unwrap(),
        std::fs::read(kernel).unwrap()
    );
}

#[test]
fn exported_qemu_assets_share_nothing_with_store() {
    let (store, kernel) = store_with_an_image();
    let cache = tempfile::tempdir().unwrap();
    let dir = cache.path().to_str().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    let args = ["store", "export-qemu", dir, "--arch", "aarch64"];
    let (code, out, err) = offline(store.path(), &args);
    assert_eq!(code, 0, "{err}");
    let command = format!("\nenv QEMU_TEST_CACHE_DIR={dir} make check-functional\n");
    assert!(err.contains(&command), "{err}");
    let line = out.lines().find(|line| line.ends_with("aarch64/kernel"));
    let digest = line.unwrap().split_whitespace().next().unwrap();
    let download = cache.path().join("download");
    let (asset, stamp) = (
        download.join(digest),
        download.join(format!("{digest}.stamp")),
    );
    let bytes = std::fs::read(&asset).unwrap();
    assert!(bytes == std::fs::read(kernel).unwrap());
    assert_eq!(mode(&asset), 0o440);
    // Parsed like QEMU's scripts do.
    let seconds: u64 = std::fs::read_to_string(&stamp).unwrap().parse().unwrap();
    let age = UNIX_EPOCH.elapsed().unwrap().as_secs() - seconds;
    assert!(age < 24 * 3600, "{age} s");

    // The action of QEMU's clean-up script on an old asset.
    std::fs::set_permissions(&asset, Permissions::from_mode(0o200)).unwrap();
    std::fs::remove_file(&stamp).unwrap();
    let blob = store.path().join("v1/blobs/sha256").join(digest);
    assert_eq!((mode(&blob), blob.metadata().unwrap().nlink()), (0o444, 1));
    assert!(bytes == std::fs::read(&blob).unwrap());
    // A second export replaces the existing files.
    let (code, _, err) = offline(store.path(), &args);
    assert_eq!((code, mode(&asset)), (0, 0o440), "{err}");
    assert!(stamp.is_file());
}

#[test]
fn wrong_archives_and_sizes_are_named() {
    let store = tempfile::tempdir().unwrap();
    let (code, _, err) = offline(store.path(), &["store", "import", "absent.tar"]);
    assert_eq!(code, 102);
    assert!(err.contains("absent.tar"), "{err}");
    let text = store.path().join("text.tar");
    std::fs::write(&text, "no archive".repeat(200)).unwrap();
    let (code, _, err) = offline(store.path(), &["store", "import", text.to_str().unwrap()]);
    assert_eq!(code, 102, "{err}");
    // Its bytes may be anything, so they are not shown.
    let says = format!(
        "error: `{}` is not a tar archive, or is truncated\n",
        text.display()
    );
    assert!(
        err.starts_with(&says) && !err.contains("no archiveno"),
        "{err}"
    );
    let (code, _, err) = offline(store.path(), &["store", "gc", "--max-size", "20X"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("expected a size such as `20G`, found `20X`"),
        "{err}"
    );
}

#[test]
fn documented_qemu_test_uses_locked_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (guide, lock) = (read("docs/images.md"), read("images/images.lock"));
    let words = guide.split(|c: char| !c.is_ascii_hexdigit());
    let digests: Vec<_> = words.filter(|word| word.len() == 64).collect();
    assert_eq!(digests.len(), 2);
    assert!(digests.iter().all(|digest| lock.contains(digest)));
}
