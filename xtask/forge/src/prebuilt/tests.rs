use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use plan::digest::{BuildKey, Digest};
use plan::lock::LockedImage;
use plan::step::{Action, Product, Step};
use provision::prebuilt::{PrebuiltError, install};
use store::{About, EntryName, EntryState, Store};

use super::*;

struct Home {
    _kept: tempfile::TempDir,
    path: Utf8PathBuf,
    store: Store,
}

fn home() -> Home {
    let home = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(home.path()).unwrap().to_owned();
    let store = Store::open(&path.join("store")).unwrap();
    Home {
        _kept: home,
        path,
        store,
    }
}

fn key() -> BuildKey {
    BuildKey::from_bytes([7; 32])
}

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
        key: key(),
    }
}

type Files = BTreeMap<&'static str, Vec<u8>>;

/// A compressed image like a kernel's: a loader, a false magic, the payload, and more data.
fn compressed(kernel: &[u8]) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(6).unwrap();
    let mut filters = Filters::new();
    filters.x86().lzma2(options.dict_size(1 << 20));
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32).unwrap();
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(kernel).unwrap();
    let payload = encoder.finish().unwrap();
    [
        b"loader".as_slice(),
        MAGIC_IN_CODE,
        &payload,
        b"size and loader",
    ]
    .concat()
}

const MAGIC_IN_CODE: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0, 1, 2, 3];

fn kernel() -> Vec<u8> {
    (0..100_000_u32)
        .flat_map(|number| (number / 7).to_le_bytes())
        .collect()
}

fn files() -> Files {
    BTreeMap::from([
        ("initramfs.cpio", b"userland".repeat(99)),
        ("kernel", kernel()),
    ])
}

fn lock(files: &Files) -> LockedImage {
    let locked = |bytes: &Vec<u8>| LockedFile {
        size: bytes.len() as u64,
        sha256: Digest::of(bytes),
    };
    let files = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), locked(bytes)))
        .collect();
    LockedImage { key: key(), files }
}

impl Home {
    fn ready(&self, files: &Files) -> Ready {
        let EntryState::Vacant(vacant) = self.store.entry(&EntryName::image(key())).unwrap() else {
            panic!("there is an entry already");
        };
        let staging = vacant.stage().unwrap();
        for (name, bytes) in files {
            fs::write(staging.path().join(name), bytes).unwrap();
        }
        staging.commit(About::step(&image(), 1.5)).unwrap()
    }

    fn archive(&self) -> Utf8PathBuf {
        self.path.join("images/prebuilt/ppc64.tar.xz")
    }

    fn install(&self, lock: &LockedImage) -> Result<Ready, PrebuiltError> {
        install(&self.store, &image(), lock, &self.archive())
    }

    /// An archive of these files, written by another store.
    fn packed(&self, files: &Files) {
        write(&home().ready(files), &Packing::default(), &self.archive()).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let packed = fs::read(self.archive()).unwrap();
        let mut tar = tar::Archive::new(liblzma::read::XzDecoder::new(packed.as_slice()));
        let name = |entry: io::Result<tar::Entry<'_, _>>| {
            entry.unwrap().path().unwrap().to_str().unwrap().to_owned()
        };
        tar.entries().unwrap().map(name).collect()
    }
}

fn check(packed: &Files, locked: &Files, expected: &str) {
    let home = home();
    home.packed(packed);
    let error = home.install(&lock(locked)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{}`: {expected}", home.archive())
    );
    assert!(error.hint().unwrap().contains("images --from-source"));
    assert!(!home.store.has_entry(&EntryName::image(key())));
}

#[test]
fn written_archive_installs_elsewhere() {
    for filter in [None, Some("riscv"), Some("sparc"), Some("x86")] {
        let (one, other) = (home(), home());
        let packing = Packing {
            filter: filter.map(str::to_owned),
            lc: Some(0),
            lp: Some(2),
            pb: Some(2),
        };
        let size = write(&one.ready(&files()), &packing, &other.archive()).unwrap();
        assert_eq!(size, fs::metadata(other.archive()).unwrap().len());
        let ready = other.install(&lock(&files())).unwrap();
        for (name, bytes) in files() {
            assert_eq!(fs::read(ready.file(name).unwrap()).unwrap(), bytes);
        }
        fs::remove_file(other.archive()).unwrap();
        other.install(&lock(&files())).unwrap();
    }
}

#[test]
fn an_archive_depends_on_the_files_only() {
    let (one, other) = (home(), home());
    one.packed(&files());
    let ready = other.ready(&files());
    let old = std::time::SystemTime::UNIX_EPOCH;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(ready.file("kernel").unwrap())
        .unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .unwrap();
    file.set_modified(old).unwrap();
    write(&ready, &Packing::default(), &other.archive()).unwrap();
    assert_eq!(
        fs::read(one.archive()).unwrap(),
        fs::read(other.archive()).unwrap()
    );
    assert_eq!(
        fs::metadata(one.archive()).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn compressed_kernel_payload_is_packed_once() {
    let mut files = files();
    files.insert("compressed", compressed(&kernel()));
    let home = home();
    home.packed(&files);
    assert_eq!(home.names(), ["compressed", "initramfs.cpio"]);
    let ready = home.install(&lock(&files)).unwrap();
    assert_eq!(fs::read(ready.file("kernel").unwrap()).unwrap(), kernel());
}

#[test]
fn foreign_payload_is_packed_next_to_kernel() {
    let mut files = files();
    files.insert("compressed", compressed(b"another kernel"));
    let home = home();
    home.packed(&files);
    assert_eq!(home.names(), ["compressed", "initramfs.cpio", "kernel"]);
    home.install(&lock(&files)).unwrap();
}

#[test]
fn unlocked_compressed_kernel_is_proven_by_payload() {
    let mut packed = files();
    packed.insert("compressed", compressed(&kernel()));
    let home = home();
    home.packed(&packed);
    assert_eq!(home.names(), ["compressed", "initramfs.cpio"]);
    let ready = home.install(&lock(&files())).unwrap();
    assert_eq!(fs::read(ready.file("kernel").unwrap()).unwrap(), kernel());
    assert_eq!(
        fs::read(ready.file("compressed").unwrap()).unwrap(),
        compressed(&kernel())
    );
    packed.insert("compressed", compressed(b"another kernel"));
    check(
        &packed,
        &files(),
        "`compressed` does not contain the locked `kernel`",
    );
    packed.remove("kernel");
    check(
        &packed,
        &files(),
        "`compressed` does not contain the locked `kernel`",
    );
}

#[test]
fn a_payload_that_is_not_locked_is_refused() {
    let mut packed = files();
    packed.remove("kernel");
    packed.insert("compressed", compressed(b"another kernel"));
    let mut locked = packed.clone();
    locked.insert("kernel", kernel());
    check(&packed, &locked, "locked file `kernel` is missing");
}

#[test]
fn bytes_that_differ_from_lock_are_refused() {
    let mut wrong = files();
    wrong.insert("initramfs.cpio", b"userl4nd".repeat(99));
    let expected = format!(
        "`initramfs.cpio` does not match `images.lock`: expected {}, found {}",
        Digest::of(&b"userland".repeat(99)),
        Digest::of(&b"userl4nd".repeat(99)),
    );
    check(&wrong, &files(), &expected);
    wrong.insert("initramfs.cpio", b"short".to_vec());
    check(
        &wrong,
        &files(),
        "`initramfs.cpio` has 5 bytes, expected 792",
    );
}

#[test]
fn missing_and_surplus_files_are_refused() {
    let mut less = files();
    less.remove("initramfs.cpio");
    check(&less, &files(), "locked file `initramfs.cpio` is missing");
    check(
        &files(),
        &less,
        "`initramfs.cpio` is not in the lock, or occurs twice",
    );
}

#[test]
fn path_escapes_are_refused() {
    let home = home();
    let mut builder = tar::Builder::new(liblzma::write::XzEncoder::new(Vec::new(), 1));
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..8].copy_from_slice(b"../../up");
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, io::empty()).unwrap();
    fs::create_dir_all(home.archive().parent().unwrap()).unwrap();
    fs::write(
        home.archive(),
        builder.into_inner().unwrap().finish().unwrap(),
    )
    .unwrap();
    let error = home.install(&lock(&files())).unwrap_err().to_string();
    assert!(
        error.ends_with("`../../up` is not in the lock, or occurs twice"),
        "{error}"
    );
}

#[test]
fn archive_larger_than_lock_is_cut() {
    let mut bomb = files();
    bomb.insert("a", vec![0; 4 << 20]);
    let home = home();
    home.packed(&bomb);
    let error = home.install(&lock(&files())).unwrap_err().to_string();
    assert!(error.contains("`a` is not in the lock"), "{error}");
    let mut long = home.packed_tar(&files());
    long.extend(vec![0; 4 << 20]);
    home.put_archive(&long);
    let error = home.install(&lock(&files())).unwrap_err().to_string();
    assert!(error.contains("unpacks to more than"), "{error}");
}

#[test]
fn damaged_archives_are_refused() {
    let home = home();
    home.packed(&files());
    let whole = fs::read(home.archive()).unwrap();
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(home.archive(), &whole[..length]).unwrap();
        home.install(&lock(&files())).unwrap_err();
    }
    let mut trailing = home.packed_tar(&files());
    trailing.extend(b"more");
    home.put_archive(&trailing);
    let error = home.install(&lock(&files())).unwrap_err().to_string();
    assert!(error.ends_with("data after the end"), "{error}");
    fs::write(home.archive(), [whole, b"x".to_vec()].concat()).unwrap();
    home.install(&lock(&files())).unwrap_err();
}

impl Home {
    fn packed_tar(&self, files: &Files) -> Vec<u8> {
        self.packed(files);
        let mut tar = Vec::new();
        let packed = fs::read(self.archive()).unwrap();
        liblzma::read::XzDecoder::new(packed.as_slice())
            .read_to_end(&mut tar)
            .unwrap();
        tar
    }

    fn put_archive(&self, tar: &[u8]) {
        let mut encoder = XzEncoder::new(Vec::new(), 1);
        encoder.write_all(tar).unwrap();
        fs::write(self.archive(), encoder.finish().unwrap()).unwrap();
    }
}

#[test]
fn a_lock_of_another_build_is_refused() {
    let home = home();
    let mut lock = lock(&files());
    lock.key = BuildKey::from_bytes([8; 32]);
    let error = home.install(&lock).unwrap_err().to_string();
    assert!(
        error.starts_with("`images.lock` is out of date: it locks build 0808"),
        "{error}"
    );
}

#[test]
fn an_unknown_filter_is_named() {
    let packing = Packing {
        filter: Some("arm64".to_owned()),
        ..Packing::default()
    };
    let home = home();
    let error = write(&home.ready(&files()), &packing, &home.archive())
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "unknown branch filter `arm64`: expected `arm`, `riscv`, `sparc` or `x86`"
    );
    assert!(!home.archive().exists());
}
