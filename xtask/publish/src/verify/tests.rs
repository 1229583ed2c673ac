use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use plan::digest::{BuildKey, Digest};
use plan::lock::{Lock, LockedFile, LockedImage};
use serde_json::{Value, json};

use super::{Promise, complete, promise, same_images};
use crate::sign::{Keys, Signer};
use crate::tree_reader::Directory;

fn image(kernel: &[u8]) -> LockedImage {
    let (size, sha256) = (kernel.len() as u64, Digest::of(kernel));
    LockedImage {
        key: BuildKey::from_bytes([1; 32]),
        files: BTreeMap::from([("kernel".to_owned(), LockedFile { size, sha256 })]),
    }
}

fn promised(images: BTreeMap<String, LockedImage>) -> Promise {
    let (size, sha256) = (6, Digest::of(b"bundle"));
    let source = LockedFile {
        size: 6,
        sha256: Digest::of(b"source"),
    };
    Promise {
        release: "kiln-1".to_owned(),
        images,
        programs: BTreeMap::new(),
        sources: BTreeMap::from([("a.tar".to_owned(), source)]),
        bundle: "kiln-1-source.tar".to_owned(),
        facts: LockedFile { size, sha256 },
    }
}

#[test]
fn bundle_locking_another_image_is_refused() {
    let images = |kernel: &[u8]| BTreeMap::from([("riscv".to_owned(), image(kernel))]);
    let promise = promised(images(b"published"));
    let check = |images, arch: &str| {
        let lock = Lock {
            images,
            ..Lock::default()
        };
        same_images(&promise, &[arch.to_owned()], &lock).map_err(|error| error.to_string())
    };
    assert_eq!(check(images(b"published"), "riscv"), Ok(()));
    assert_eq!(check(images(b"other"), "elsewhere"), Ok(()));
    let wrong = "the source bundle builds a different `kernel` of riscv than the release contains";
    assert_eq!(check(images(b"other"), "riscv"), Err(wrong.to_owned()));
    assert_eq!(check(BTreeMap::new(), "riscv"), Err(wrong.to_owned()));
    let mut other = images(b"published");
    other.get_mut("riscv").unwrap().key = BuildKey::from_bytes([2; 32]);
    let wrong = wrong.replace("kernel", "key");
    assert_eq!(check(other, "riscv"), Err(wrong));
}

#[test]
fn bundle_locking_other_programs_is_refused() {
    let console = |bytes: &[u8]| BTreeMap::from([("console".to_owned(), Digest::of(bytes))]);
    let locked = |name: &str, bytes: &[u8]| {
        let mut programs = image(bytes);
        let file = programs.files.remove("kernel").unwrap();
        programs.files.insert(name.to_owned(), file);
        BTreeMap::from([("riscv".to_owned(), programs)])
    };
    let mut promise = promised(BTreeMap::new());
    promise.programs = BTreeMap::from([("riscv".to_owned(), console(b"published"))]);
    let check = |bare: BTreeMap<String, LockedImage>, expect: Result<(), &str>| {
        let lock = Lock {
            bare,
            ..Lock::default()
        };
        let found = same_images(&promise, &["riscv".to_owned()], &lock);
        let name = expect.map_err(|name| {
            format!(
                "the source bundle builds a different `{name}` of riscv than the release contains"
            )
        });
        assert_eq!(found.map_err(|error| error.to_string()), name);
        let parts = promise.parts("riscv", &lock).map(|(prefix, _)| prefix);
        assert!(parts.eq(lock.bare.keys().map(|_| "bare/")));
    };
    check(locked("console", b"published"), Ok(()));
    check(locked("console", b"other"), Err("bare/console"));
    check(locked("mmu", b"published"), Err("bare/console"));
    check(BTreeMap::new(), Err("bare/console"));
}

/// A tree with one release of one image, unsigned.
struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let entry = json!({
            "mediaType": "", "digest": "", "size": 0,
            "annotations": {"kiln.release": "kiln-1", "kiln.arch": "riscv"},
        });
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry], "annotations": {},
        });
        fixture.write("index.json", index.to_string().as_bytes());
        fixture.publish(&|_| {}, |sums| sums);
        fixture
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
    }

    /// Writes the manifest and the checksums with changes.
    fn publish(&self, change: &dyn Fn(&mut Value), sums: impl Fn(String) -> String) {
        let file = |bytes: &[u8]| json!({"size": bytes.len(), "sha256": Digest::of(bytes)});
        let archive = |name: &str, bytes: &[u8]| {
            let mut facts = file(bytes);
            for (field, value) in [("recipe", "linux"), ("version", "6"), ("license", "MIT")] {
                facts[field] = value.into();
            }
            facts["file"] = name.into();
            facts
        };
        let mut manifest = json!({
            "schema": 1, "name": "kiln-1", "version": "1", "arch": "riscv",
            "key": BuildKey::from_bytes([1; 32]), "files": {"kernel": file(b"kernel")},
            "boot": {"qemu": "", "machine": "", "memory": "", "append": ""},
            "sources": [archive("a.tar", b"source")],
            "bundle": archive("kiln-1-source.tar", b"bundle"),
        });
        change(&mut manifest);
        let manifest = manifest.to_string();
        self.write("kiln-1/riscv/manifest.json", manifest.as_bytes());
        let text = format!(
            "{}  kiln-1-source.tar\n{}  riscv/kernel\n{}  riscv/manifest.json\n",
            Digest::of(b"bundle"),
            Digest::of(b"kernel"),
            Digest::of(manifest.as_bytes())
        );
        self.write("kiln-1/SHA256SUMS", sums(text).as_bytes());
    }

    fn promise(&self, keys: &Keys, release: Option<&str>) -> Result<Promise, String> {
        promise(&Directory(self.path("")), keys, release).map_err(|error| error.to_string())
    }
}

#[test]
fn release_promises_its_sums_and_manifests() {
    let fixture = Fixture::new();
    let images = BTreeMap::from([("riscv".to_owned(), image(b"kernel"))]);
    let mut expected = promised(images);
    assert_eq!(fixture.promise(&Keys::none(), None), Ok(expected.clone()));
    let program = format!("{}  riscv/bare/console\n", Digest::of(b"console"));
    fixture.publish(&|_| {}, |sums| sums + &program);
    let console = BTreeMap::from([("console".to_owned(), Digest::of(b"console"))]);
    expected.programs = BTreeMap::from([("riscv".to_owned(), console)]);
    assert_eq!(fixture.promise(&Keys::none(), None), Ok(expected));
    let why = fixture.promise(&Keys::none(), Some("kiln-2")).unwrap_err();
    assert_eq!(why, "unknown release `kiln-2`");
}

#[test]
fn manifest_contradicting_sums_is_refused() {
    let fixture = Fixture::new();
    let same = |sums: String| sums;
    let without = |name: &'static str| {
        move |sums: String| {
            let lines = sums.lines().filter(|line| !line.ends_with(name));
            lines.flat_map(|line| [line, "\n"]).collect()
        }
    };
    let check = |change: &dyn Fn(&mut Value), sums: &dyn Fn(String) -> String, why: &str| {
        fixture.publish(change, sums);
        let message = fixture.promise(&Keys::none(), None).unwrap_err();
        assert!(message.contains(why), "{message}");
    };
    let zeros = "0".repeat(64);
    let disagree = |path: &str, bytes: &[u8]| {
        let listed = Digest::of(bytes);
        let found = format!("{listed} in `SHA256SUMS` and {zeros} in its `manifest.json`");
        format!("`kiln-1/{path}` has digest {found}")
    };
    let as_it_is = |_: &mut Value| {};
    for file in ["riscv/kernel", "kiln-1-source.tar", "riscv/manifest.json"] {
        let why = format!("`kiln-1/{file}` is not in `SHA256SUMS`");
        check(&as_it_is, &without(file), &why);
    }
    check(
        &|its| its["files"]["kernel"]["sha256"] = zeros.clone().into(),
        &same,
        &disagree("riscv/kernel", b"kernel"),
    );
    check(
        &|its| its["bundle"]["sha256"] = zeros.clone().into(),
        &same,
        &disagree("kiln-1-source.tar", b"bundle"),
    );
    check(
        &|its| its["arch"] = "vax".into(),
        &same,
        "`kiln-1/riscv/manifest.json` is missing or malformed",
    );
    // A newer schema is reported even if the rest of the document cannot be read.
    check(
        &|its| *its = json!({"schema": 2, "files": []}),
        &same,
        "unsupported schema 2 of `kiln-1/riscv/manifest.json`: expected 1",
    );
    fixture.publish(&as_it_is, same);
    fixture.write("kiln-1/riscv/manifest.json", b"{}");
    let message = fixture.promise(&Keys::none(), None).unwrap_err();
    assert!(
        message.contains("`kiln-1/riscv/manifest.json` has digest"),
        "{message}"
    );
}

#[test]
fn sums_without_enough_trusted_signatures_are_refused() {
    let fixture = Fixture::new();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let text = pair.sk.to_box(None).unwrap().into_string();
    fixture.write("secret", text.as_bytes());
    let signer = Signer::read(&fixture.path("secret"), &[], false).unwrap();
    let keys = format!("keys = [\"{}\"]\nthreshold = 1\n", pair.pk.to_base64());
    let keys = Keys::parse(&keys).unwrap();
    let few = "`kiln-1/SHA256SUMS` is signed by 0 trusted keys, expected 1";
    assert_eq!(fixture.promise(&keys, None), Err(few.to_owned()));
    let sums = fs_err::read(fixture.path("kiln-1/SHA256SUMS")).unwrap();
    let signature = format!("kiln-1/SHA256SUMS.{}.minisig", signer.id());
    fixture.write(&signature, &signer.sign(&sums, "sums").unwrap());
    assert!(fixture.promise(&keys, None).is_ok());
    // A signature of other checksums.
    fixture.publish(&|its| its["version"] = "2".into(), |sums| sums);
    assert_eq!(fixture.promise(&keys, None), Err(few.to_owned()));
}

#[test]
fn all_missing_bundle_files_are_listed() {
    let fixture = Fixture::new();
    let tree = fixture.path("bundle");
    let lacks = || {
        complete(&promised(BTreeMap::new()), &tree)
            .map_err(|error| error.to_string())
            .err()
    };
    let nothing = "the source bundle does not contain `sources/a.tar`, `repository/Cargo.lock`";
    assert_eq!(lacks().as_deref(), Some(nothing));
    fixture.write("bundle/sources/a.tar", b"source");
    let lock = "version = 4\n[[package]]\nname = \"ours\"\nversion = \"1.0.0\"\n\
                [[package]]\nname = \"one\"\nversion = \"1.0.0\"\nchecksum = \"aa\"\n\
                [[package]]\nname = \"two\"\nversion = \"2.0.0\"\nchecksum = \"bb\"\n";
    fixture.write("bundle/repository/Cargo.lock", lock.as_bytes());
    let sum = |folder: &str, sum: &str| {
        let text = json!({"files": {}, "package": sum}).to_string();
        let path = format!("bundle/vendor/{folder}/.cargo-checksum.json");
        fixture.write(&path, text.as_bytes());
    };
    // Another crate under its name does not count.
    sum("one-1.0.0", "other");
    let crates = "the source bundle does not contain the crate `one 1.0.0`, the crate `two 2.0.0`";
    assert_eq!(lacks().as_deref(), Some(crates));
    sum("one-1.0.0", "aa");
    sum("two-2.0.0", "bb");
    assert_eq!(lacks(), None);
    fixture.write("bundle/sources/a.tar", b"sourcE");
    assert_eq!(
        lacks().as_deref(),
        Some("the source bundle does not contain `sources/a.tar`")
    );
}
