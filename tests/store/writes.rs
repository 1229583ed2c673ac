//! Computes the contents of a disk with a volatile cache after a power cut from QEMU's log of the
//! writes (`block/blklogwrites.c`; the format is that of the kernel's
//! `device-mapper/log-writes.rst`).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The unit of the log in bytes.
pub(crate) const SECTOR: u64 = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// One request, and the position of its bytes in the log.
struct Request {
    /// Offset on the disk in bytes.
    offset: u64,
    length: u64,
    flags: u64,
    bytes: u64,
}

/// The log of writes to a disk that was empty except for its beginning.
pub(crate) struct Log {
    file: File,
    requests: Vec<Request>,
}

impl Log {
    pub(crate) fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        // The log begins with the first request.
        let count = match file.metadata().unwrap().len() {
            0 => 0,
            _ => number(&file, 16),
        };
        assert!(count == 0 || number(&file, 0) == MAGIC, "no log of writes");
        let mut at = SECTOR;
        let requests = (0..count).map(|_| {
            let flags = number(&file, at + 16);
            let length = match flags & DISCARD {
                0 => number(&file, at + 8) * SECTOR,
                _ => 0,
            };
            let request = Request {
                offset: number(&file, at) * SECTOR,
                length,
                flags,
                bytes: at + SECTOR,
            };
            at += SECTOR + length;
            request
        });
        let requests = requests.collect();
        Self { file, requests }
    }

    /// The number of requests.
    pub(crate) fn len(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Like [`Log::len`], for a log that is being written.
    pub(crate) fn len_so_far(path: &Path) -> u64 {
        number(&File::open(path).unwrap(), 16)
    }

    /// Replays the requests before `end`: those up to the last flush, and of the rest those that
    /// `survives` selects. Returns the number of lost requests.
    pub(crate) fn replay(
        &self,
        disk: &Path,
        end: u64,
        mut survives: impl FnMut() -> bool,
    ) -> usize {
        let requests = &self.requests[..usize::try_from(end).unwrap()];
        let disk = File::options().write(true).open(disk).unwrap();
        let flushed = |request: &Request| request.flags & FLUSH != 0;
        let certain = requests.iter().rposition(flushed).unwrap_or_default();
        let mut lost = 0;
        for (at, request) in requests.iter().enumerate() {
            if request.length == 0 {
                continue;
            }
            if at > certain && !survives() {
                lost += 1;
                continue;
            }
            let mut bytes = vec![0; usize::try_from(request.length).unwrap()];
            self.file.read_exact_at(&mut bytes, request.bytes).unwrap();
            disk.write_all_at(&bytes, request.offset).unwrap();
        }
        lost
    }
}

fn number(file: &File, at: u64) -> u64 {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at).unwrap();
    u64::from_le_bytes(bytes)
}
