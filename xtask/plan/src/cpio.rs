//! Writes the initramfs archive: cpio in its `newc` form, with equal bytes for equal entries.
//!
//! `forge` writes the image's initramfs with it, and `guest` the overlay that is appended. It only
//! writes, and keeps everything in memory. The kernel's
//! `Documentation/driver-api/early-userspace/buffer-format.rst` defines the format.
//!
//! Fixed values: inode numbers count from 1, owner and group are 0, every time is the epoch,
//! directories have two links. The archive is padded with zeros to a multiple of 512 bytes, so that
//! archives can be concatenated.

use std::collections::BTreeSet;

/// One entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without the leading slash.
    pub path: String,
    /// Permission bits, at most `0o7777`.
    pub mode: u32,
    /// Its type and content.
    pub node: Node,
}

/// The type and content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file with its bytes.
    File(Vec<u8>),
    /// A symbolic link to this target.
    Symlink(String),
    /// A character device, major and minor.
    CharDevice(u32, u32),
}

/// Why an entry does not fit the format, or the kernel that reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpioError {
    /// Not a relative path in normal form.
    #[error("invalid path `{0}` for an archive")]
    Path(String),
    /// Two entries have the same path.
    #[error("`{0}` occurs twice in the archive")]
    Duplicate(String),
    /// Entries must be in byte order of their paths.
    #[error("`{path}` and `{after}` are not sorted")]
    Order {
        /// The misplaced entry.
        path: String,
        /// The entry before it.
        after: String,
    },
    /// The parent directory of an entry is missing.
    #[error("missing directory `{parent}` of `{path}`")]
    NoParent {
        /// The entry.
        path: String,
        /// The missing directory, or an entry that is not a directory.
        parent: String,
    },
    /// The file is larger than 32 bits can express.
    #[error("`{path}` has {size} bytes, more than a cpio archive can hold (4 GiB)")]
    TooLarge {
        /// The entry.
        path: String,
        /// Its size.
        size: u64,
    },
    /// The mode has more than permission bits.
    #[error("invalid mode {mode:o} of `{path}`: expected permission bits only")]
    Mode {
        /// The entry.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// The time is larger than 32 bits can express.
    #[error("time {0} is out of range for a cpio archive")]
    Time(u64),
}

impl CpioError {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Order { .. } => Some("sort the entries by path, byte by byte".to_owned()),
            Self::NoParent { parent, .. } => Some(format!("add the directory `{parent}`")),
            _ => None,
        }
    }
}

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHAR_DEVICE: u32 = 0o020_000;
const TRAILER: &str = "TRAILER!!!";

/// Writes the archive of sorted entries. `epoch` is their time.
pub fn archive(entries: &[Entry], epoch: u64) -> Result<Vec<u8>, CpioError> {
    let mut writer = Writer::new(epoch)?;
    entries.iter().try_for_each(|entry| writer.push(entry))?;
    Ok(writer.finish())
}

/// An archive under construction.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    mtime: u32,
    inode: u32,
    last: Option<String>,
    directories: BTreeSet<String>,
}

impl Writer {
    /// An empty archive with this time for all entries, in seconds since 1970.
    pub fn new(epoch: u64) -> Result<Self, CpioError> {
        let mtime = u32::try_from(epoch).map_err(|_| CpioError::Time(epoch))?;
        let directories = BTreeSet::from([String::new()]);
        Ok(Self {
            bytes: Vec::new(),
            mtime,
            inode: 0,
            last: None,
            directories,
        })
    }

    /// Appends an entry. Its path must sort after all previous ones and its directory must exist.
    pub fn push(&mut self, entry: &Entry) -> Result<(), CpioError> {
        let path = &entry.path;
        check_path(path)?;
        if entry.mode > 0o7777 {
            return Err(CpioError::Mode {
                path: path.clone(),
                mode: entry.mode,
            });
        }
        match &self.last {
            Some(last) if last == path => return Err(CpioError::Duplicate(path.clone())),
            Some(last) if last > path => {
                return Err(CpioError::Order {
                    path: path.clone(),
                    after: last.clone(),
                });
            }
            _ => {}
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !self.directories.contains(parent) {
            return Err(CpioError::NoParent {
                path: path.clone(),
                parent: parent.to_owned(),
            });
        }

        let (kind, links, device, data): (u32, u32, (u32, u32), &[u8]) = match &entry.node {
            Node::Directory => (DIRECTORY, 2, (0, 0), &[]),
            Node::File(bytes) => (FILE, 1, (0, 0), bytes),
            Node::Symlink(target) => (SYMLINK, 1, (0, 0), target.as_bytes()),
            Node::CharDevice(major, minor) => (CHAR_DEVICE, 1, (*major, *minor), &[]),
        };
        let size = size_of(path, data.len() as u64)?;
        self.inode += 1;
        let header = Header {
            inode: self.inode,
            mode: kind | entry.mode,
            links,
            mtime: self.mtime,
            size,
            device,
        };
        self.write(&header, path, data);
        if entry.node == Node::Directory {
            self.directories.insert(path.clone());
        }
        self.last = Some(path.clone());
        Ok(())
    }

    /// Completes the archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let header = Header {
            inode: 0,
            mode: 0,
            links: 1,
            mtime: 0,
            size: 0,
            device: (0, 0),
        };
        self.write(&header, TRAILER, &[]);
        self.pad(512);
        self.bytes
    }

    fn write(&mut self, header: &Header, path: &str, data: &[u8]) {
        let name_size = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            header.inode,
            header.mode,
            0, // owner
            0, // group
            header.links,
            header.mtime,
            header.size,
            0, // major and minor of the file system it came from
            0,
            header.device.0,
            header.device.1,
            name_size,
            0, // checksum, unused in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend_from_slice(data);
        self.pad(4);
    }

    fn pad(&mut self, unit: usize) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(unit), 0);
    }
}

struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    mtime: u32,
    size: u32,
    device: (u32, u32),
}

fn size_of(path: &str, size: u64) -> Result<u32, CpioError> {
    u32::try_from(size).map_err(|_| CpioError::TooLarge {
        path: path.to_owned(),
        size,
    })
}

/// The kernel reads names of up to 4096 bytes including the terminator (`PATH_MAX`).
fn check_path(path: &str) -> Result<(), CpioError> {
    let normal = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if normal && path.len() < 4096 && !path.contains('\0') && path != TRAILER {
        Ok(())
    } else {
        Err(CpioError::Path(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CpioError, Entry, Node, Writer, archive, size_of};

    fn entry(path: &str, mode: u32, node: Node) -> Entry {
        Entry {
            path: path.to_owned(),
            mode,
            node,
        }
    }

    fn directory(path: &str) -> Entry {
        entry(path, 0o755, Node::Directory)
    }

    /// Header fields as numbers, then the name.
    fn headers(archive: &[u8]) -> Vec<(Vec<u32>, String)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let header = &archive[at..at + 110];
            assert_eq!(&header[..6], b"070701");
            let field = |index: usize| {
                let text = str::from_utf8(&header[6 + index * 8..14 + index * 8]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            let fields: Vec<u32> = (0..13).map(field).collect();
            let name_end = at + 110 + fields[11] as usize;
            let name = str::from_utf8(&archive[at + 110..name_end - 1])
                .unwrap()
                .to_owned();
            assert_eq!(archive[name_end - 1], 0);
            let last = name == "TRAILER!!!";
            at = (name_end.next_multiple_of(4) + fields[6] as usize).next_multiple_of(4);
            found.push((fields, name));
            if last {
                assert!(archive[at..].iter().all(|byte| *byte == 0));
                return found;
            }
        }
    }

    #[test]
    fn headers_are_fixed_except_entry_fields() {
        let entries = [
            directory("dev"),
            entry("dev/console", 0o600, Node::CharDevice(5, 1)),
            entry("init", 0o755, Node::File(b"#!".to_vec())),
            entry("sbin", 0o777, Node::Symlink("bin".to_owned())),
        ];
        let bytes = archive(&entries, 0x6876_0000).unwrap();
        let time = 0x6876_0000;
        let line = |fields: [u32; 13], name: &str| (fields.to_vec(), name.to_owned());
        assert_eq!(
            headers(&bytes),
            [
                line([1, 0o040_755, 0, 0, 2, time, 0, 0, 0, 0, 0, 4, 0], "dev"),
                line(
                    [2, 0o020_600, 0, 0, 1, time, 0, 0, 0, 5, 1, 12, 0],
                    "dev/console"
                ),
                line([3, 0o100_755, 0, 0, 1, time, 2, 0, 0, 0, 0, 5, 0], "init"),
                line([4, 0o120_777, 0, 0, 1, time, 3, 0, 0, 0, 0, 5, 0], "sbin"),
                line([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0], "TRAILER!!!"),
            ]
        );
    }

    #[test]
    fn small_archive_has_known_bytes() {
        let bytes = archive(&[entry("a", 0o644, Node::File(b"hello".to_vec()))], 1).unwrap();
        let mut expect = b"070701\
            00000001000081A40000000000000000000000010000000100000005\
            000000000000000000000000000000000000000200000000a\0hello\0\0\0\
            070701\
            00000000000000000000000000000000000000010000000000000000\
            00000000000000000000000000000000\
            0000000B00000000TRAILER!!!\0"
            .to_vec();
        assert_eq!(expect.len(), 110 + 2 + 8 + 110 + 11);
        expect.resize(512, 0);
        assert_eq!(bytes, expect);
    }

    #[test]
    fn length_is_a_multiple_of_512() {
        for size in [0, 1, 3, 4, 200, 270, 271, 272, 273, 1000] {
            let bytes = archive(&[entry("a", 0o644, Node::File(vec![b'x'; size]))], 0).unwrap();
            assert_eq!(bytes.len() % 512, 0, "{size}");
        }
        assert_eq!(archive(&[], 0).unwrap().len(), 512);
    }

    #[test]
    fn unrepresentable_entries_are_refused() {
        fn check(entries: &[Entry], expect: &str) {
            assert_eq!(archive(entries, 0).unwrap_err().to_string(), expect);
        }
        for path in [
            "",
            "/init",
            "a//b",
            "a/",
            "./a",
            "a/../b",
            "a\0b",
            "TRAILER!!!",
        ] {
            check(
                &[directory(path)],
                &format!("invalid path `{path}` for an archive"),
            );
        }
        check(
            &[directory("a"), directory("a")],
            "`a` occurs twice in the archive",
        );
        check(
            &[directory("b"), directory("a")],
            "`a` and `b` are not sorted",
        );
        check(&[directory("a/b")], "missing directory `a` of `a/b`");
        check(
            &[entry("a", 0o644, Node::File(Vec::new())), directory("a/b")],
            "missing directory `a` of `a/b`",
        );
        check(
            &[entry("a", 0o100_644, Node::Directory)],
            "invalid mode 100644 of `a`: expected permission bits only",
        );
        assert_eq!(Writer::new(1 << 32).unwrap_err(), CpioError::Time(1 << 32));
    }

    #[test]
    fn size_limit_is_below_four_gibibytes() {
        assert_eq!(size_of("a", u64::from(u32::MAX)), Ok(u32::MAX));
        let error = size_of("a", 1 << 32).unwrap_err();
        assert_eq!(
            error,
            CpioError::TooLarge {
                path: "a".to_owned(),
                size: 1 << 32
            }
        );
    }

    proptest! {
        #[test]
        fn sorted_files_are_read_back_in_order(files in proptest::collection::btree_map("[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let entries: Vec<Entry> = files
                .iter()
                .map(|(path, bytes)| entry(path, 0o644, Node::File(bytes.clone())))
                .collect();
            let bytes = archive(&entries, 7).unwrap();
            let names: Vec<String> = headers(&bytes).into_iter().map(|(_, name)| name).collect();
            let expect: Vec<String> =
                files.keys().cloned().chain(["TRAILER!!!".to_owned()]).collect();
            prop_assert_eq!(names, expect);
        }
    }
}
