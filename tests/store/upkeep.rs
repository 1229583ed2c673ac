//! `cargo xtask store …` from outside, over stores of the tests' own. The images come from the
//! repository; no test here needs QEMU or a network.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::place::xtask;

/// A store with the image of one architecture, and where its kernel is.
fn store_with_an_image() -> (tempfile::TempDir, PathBuf) {
    let store = tempfile::tempdir().unwrap();
    let (code, out, err) = xtask(store.path(), &["store", "path", "aarch64"]);
    assert_eq!(code, 0, "{err}");
    let kernel = Path::new(out.trim()).join("kernel");
    assert!(kernel.is_file(), "{out}");
    (store, kernel)
}

#[test]
fn store_list_and_gc_leave_store_unchanged() {
    let (store, kernel) = store_with_an_image();
    let (code, out, _) = xtask(store.path(), &["store", "list"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("image 1 (aarch64)") && out.contains("needed by"),
        "{out}"
    );
    let (_, out, _) = xtask(store.path(), &["store", "du", "--message-format=json"]);
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
    let (code, out, _) = xtask(store.path(), &args);
    assert_eq!((code, out.starts_with("0 removed")), (0, true), "{out}");
    assert!(kernel.exists());
}

#[test]
fn gc_plans_before_removing_unneeded_entries() {
    let (store, kernel) = store_with_an_image();
    // What the recipes of another day have built.
    let entries = kernel.ancestors().nth(3).unwrap();
    let stale = entries.join("0".repeat(64));
    std::fs::create_dir(&stale).unwrap();
    std::fs::write(stale.join("entry.json"), "{}").unwrap();
    let gc = ["store", "gc", "--older-than", "0"];
    let (code, out, err) = xtask(store.path(), &gc);
    assert_eq!(code, 0);
    assert!(
        out.contains("000000000000…") && out.contains("1 would go"),
        "{out}"
    );
    assert!(err.contains("--yes"), "{err}");
    assert!(stale.exists());
    let (_, out, _) = xtask(store.path(), &[&gc[..], &["--yes"]].concat());
    assert!(out.starts_with("1 removed"), "{out}");
    assert!(!stale.exists() && kernel.exists());
}

#[test]
fn corrupt_entries_are_named_and_repaired() {
    let (store, kernel) = store_with_an_image();
    let (code, out, _) = xtask(store.path(), &["store", "verify"]);
    assert_eq!((code, out.contains("all sound")), (0, true), "{out}");
    let mut bytes = std::fs::read(&kernel).unwrap();
    bytes[12345] ^= 1;
    std::fs::write(&kernel, &bytes).unwrap();
    let (code, out, err) = xtask(store.path(), &["store", "verify"]);
    assert_eq!(code, 102, "{err}");
    assert!(
        out.contains("image 1 (aarch64)") && out.contains("`kernel`"),
        "{out}"
    );
    assert!(err.contains("cargo xtask store verify --repair"), "{err}");
    // The image is there again; the sources are not, and offline they cannot be.
    let (code, _, err) = xtask(store.path(), &["store", "verify", "--repair"]);
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
    let (code, out, err) = xtask(store.path(), &export);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("cargo xtask store import images.tar"), "{out}");
    let plain = store.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
    assert_eq!(mode(Path::new(archive)), mode(&plain));

    let other = tempfile::tempdir().unwrap();
    let lacks = ["images", "--no-prebuilt", "--arch", "aarch64"];
    assert_ne!(xtask(other.path(), &lacks).0, 0);
    let (code, out, err) = xtask(other.path(), &["store", "import", archive]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.ends_with(&format!("came into {}\n", other.path().display())),
        "{out}"
    );
    let (code, out, err) = xtask(other.path(), &lacks);
    assert_eq!(code, 0, "{err}");
    let theirs = Path::new(out.split_whitespace().last().unwrap()).join("kernel");
    assert_eq!(
        std::fs::read(theirs).unwrap(),
        std::fs::read(kernel).unwrap()
    );
}

#[test]
fn qemu_finds_exported_assets_by_digest() {
    let (store, kernel) = store_with_an_image();
    let cache = tempfile::tempdir().unwrap();
    let dir = cache.path().to_str().unwrap();
    let args = ["store", "export-qemu", dir, "--arch", "aarch64"];
    let (code, out, err) = xtask(store.path(), &args);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("QEMU_TEST_CACHE_DIR={dir}")), "{err}");
    let line = out.lines().find(|line| line.ends_with("aarch64/kernel"));
    let digest = line.unwrap().split_whitespace().next().unwrap();
    let asset = cache.path().join("download").join(digest);
    assert_eq!(
        std::fs::read(asset).unwrap(),
        std::fs::read(kernel).unwrap()
    );
}

#[test]
fn wrong_archives_and_sizes_are_named() {
    let store = tempfile::tempdir().unwrap();
    let (code, _, err) = xtask(store.path(), &["store", "import", "absent.tar"]);
    assert_eq!(code, 102);
    assert!(err.contains("absent.tar"), "{err}");
    let text = store.path().join("text.tar");
    std::fs::write(&text, "no archive".repeat(200)).unwrap();
    let (code, _, err) = xtask(store.path(), &["store", "import", text.to_str().unwrap()]);
    assert_eq!(code, 102, "{err}");
    // Its bytes are not shown: they may be anything.
    let says = format!(
        "error: `{}` is no tar archive, or was cut off\n",
        text.display()
    );
    assert!(
        err.starts_with(&says) && !err.contains("no archiveno"),
        "{err}"
    );
    let (code, _, err) = xtask(store.path(), &["store", "gc", "--max-size", "20X"]);
    assert_eq!(code, 2);
    assert!(err.contains("`20X` is no size such as `20G`"), "{err}");
}
