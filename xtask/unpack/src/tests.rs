use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;
use tar::{EntryType, Header};

use super::extract::{Job, Times, extract};
use super::*;

mod evil;
mod guards;
mod mutants;
mod patches;
mod trees;

const TIME: u64 = 1_700_000_000;

/// A tar stream built entry by entry, with arbitrary bytes as names.
#[derive(Default, Clone)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(mut self, kind: EntryType, name: &[u8], link: &[u8], mode: u32, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        let fields = header.as_ustar_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name);
        fields.linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(TIME);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.add(
            EntryType::Regular,
            name.as_bytes(),
            b"",
            0o644,
            content.as_bytes(),
        )
    }

    fn dir(self, name: &str) -> Self {
        self.add(EntryType::Directory, name.as_bytes(), b"", 0o755, b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(
            EntryType::Symlink,
            name.as_bytes(),
            target.as_bytes(),
            0o777,
            b"",
        )
    }

    fn pax(self, records: &[(&str, &str)]) -> Self {
        self.add(EntryType::XHeader, b"pax", b"", 0o644, &pax(records))
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9)
            .find(|length| length.to_string().len() + rest == *length)
            .unwrap();
        format!("{length} {key}={value}\n")
    };
    records.iter().map(record).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything below a directory except in its `root`: type, mode, time, content or target.
fn outside(home: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![home.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in directory.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path == home.join("root") || path == home.join("archive") {
                continue;
            }
            let about = path.symlink_metadata().unwrap();
            let content = if about.is_dir() {
                pending.push(path.clone());
                Vec::new()
            } else if about.is_symlink() {
                path.read_link_utf8().unwrap().into_string().into_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let (mode, time) = (about.permissions().mode(), about.modified().unwrap());
            let content = Digest::of(&content);
            found.push(format!("{path} {mode:o} {time:?} {content}"));
        }
    }
    found.sort();
    found
}

struct Home {
    _kept: tempfile::TempDir,
    path: Utf8PathBuf,
}

fn home() -> Home {
    let home = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(home.path()).unwrap().to_owned();
    Home { _kept: home, path }
}

impl Home {
    fn unpack(
        &self,
        packed: &[u8],
        inner: Option<&str>,
        limits: Limits,
    ) -> Result<Times, UnpackError> {
        let (archive, root) = (self.path.join("archive"), self.path.join("root"));
        fs::write(&archive, packed).unwrap();
        fs::create_dir(&root).unwrap();
        let mut job = Job {
            file: "x.tar",
            root: &root,
            strip: 1,
            limits: &limits,
            progress: &mut drop,
        };
        stream::read(&archive, "x.tar", inner, &limits, |bytes| {
            extract(&mut job, bytes)
        })
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join("root").join(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path.join("root").join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    fn seconds(&self, name: &str) -> u64 {
        let time = fs::metadata(self.path.join("root").join(name))
            .unwrap()
            .modified()
            .unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }
}

fn unpacked(tar: Tar) -> Home {
    let home = home();
    let times = home
        .unpack(&gzip(&tar.end()), None, Limits::default())
        .unwrap();
    times.restore(&home.path.join("root")).unwrap();
    home
}

fn check(tar: Tar, expected: &str) {
    check_within(tar, Limits::default(), expected);
}

fn check_within(tar: Tar, limits: Limits, expected: &str) {
    let home = home();
    fs::write(home.path.join("outside"), "untouched").unwrap();
    let error = home
        .unpack(&gzip(&tar.end()), None, limits)
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("`x.tar`{expected}"));
    assert_eq!(
        fs::read_to_string(home.path.join("outside")).unwrap(),
        "untouched"
    );
    let names = fs::read_dir(&home.path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 3, "something was written outside the tree");
}

fn tar() -> Tar {
    Tar::default()
}
