//! Converts compressed or plain bytes to a tar stream: detects the format by its magic, limits the
//! output, and finds an archive within the archive. A second thread overlaps decompression and
//! writing.

use std::io::{self, BufReader, Cursor, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bzip2::read::MultiBzDecoder;
use camino::Utf8Path;
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use crate::error::{Excess, UnpackError};

/// Bytes per message between the threads, and the maximum number of queued messages.
const PIECE: usize = 512 * 1024;
const WAITING: usize = 8;

/// Size of the first block of a tar stream, and the location of its magic.
const BLOCK: u64 = 512;
const USTAR: std::ops::Range<usize> = 257..262;

/// Limits of an archive. The largest of our sources have 140 411 entries, 1 434 MB and a ratio of
/// 9.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Number of entries.
    pub entries: u64,
    /// Unpacked bytes.
    pub bytes: u64,
    /// Ratio of unpacked to packed bytes, applied above `free` unpacked bytes.
    pub ratio: u64,
    /// Unpacked bytes that are always allowed.
    pub free: u64,
    /// Memory of the xz decoder in bytes.
    pub xz_memory: u64,
    /// Whether names may differ only in case.
    pub case_sensitive: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 500_000,
            bytes: 3 << 30,
            ratio: 20,
            free: 1 << 20,
            xz_memory: 256 << 20,
            case_sensitive: true,
        }
    }
}

/// Passes the tar stream of an archive, or of the archive `inner` within it, to `consume`.
pub(crate) fn read<T>(
    archive: &Utf8Path,
    file: &str,
    inner: Option<&str>,
    limits: &Limits,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, UnpackError>,
) -> Result<T, UnpackError> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::scope(|scope| {
        let producer = scope.spawn(move || produce(archive, file, inner, limits, &sender));
        let mut pieces = Pieces {
            receiver,
            current: Cursor::default(),
        };
        let consumed = consume(&mut pieces);
        drop(pieces);
        // The consumer sees a broken stream as a short one, so the producer's error takes
        // precedence.
        match producer.join() {
            Ok(Ok(())) => consumed,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn produce(
    archive: &Utf8Path,
    file: &str,
    inner: Option<&str>,
    limits: &Limits,
    sender: &SyncSender<Vec<u8>>,
) -> Result<(), UnpackError> {
    let open = fs::File::open(archive).map_err(UnpackError::Write)?;
    let size = open.metadata().map_err(UnpackError::Write)?.len();
    let broken = |error| classify(file, error);
    let mut outer = decode(open, size, limits).map_err(broken)?;
    let Some(inner) = inner else {
        return send(&mut outer, sender).map_err(broken);
    };
    let mut tar = tar::Archive::new(outer);
    for entry in tar.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let name = entry.path_bytes();
        let is_it = name == inner.as_bytes()
            || name
                .strip_suffix(inner.as_bytes())
                .is_some_and(|above| above.ends_with(b"/"));
        if is_it && entry.header().entry_type().is_file() {
            drop(name);
            let size = entry.size();
            let mut bytes = decode(entry, size, limits).map_err(broken)?;
            return send(&mut bytes, sender).map_err(broken);
        }
    }
    Err(UnpackError::NoInner {
        file: file.to_owned(),
        inner: inner.to_owned(),
    })
}

fn classify(file: &str, error: io::Error) -> UnpackError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Excess>())
    {
        Some(why) => UnpackError::Excess {
            file: file.to_owned(),
            why: why.clone(),
        },
        None => UnpackError::Broken {
            file: file.to_owned(),
            source: error,
        },
    }
}

/// Sends all bytes. A consumer that has ended reports its own error, so that is not an error here.
fn send(bytes: &mut dyn Read, sender: &SyncSender<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        bytes.take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || sender.send(piece).is_err() {
            return Ok(());
        }
    }
}

/// The consumer's reader.
struct Pieces {
    receiver: Receiver<Vec<u8>>,
    current: Cursor<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.receiver.recv() {
                Ok(piece) => self.current = Cursor::new(piece),
                Err(_) => return Ok(0),
            }
        }
    }
}

/// Decompresses by magic, within the limits for `size` packed bytes. Data after the end of the
/// compressed data is an error of the decoders.
pub(crate) fn decode<'a>(
    packed: impl Read + 'a,
    size: u64,
    limits: &Limits,
) -> io::Result<Box<dyn Read + 'a>> {
    let mut packed = BufReader::with_capacity(PIECE, packed);
    let mut magic = Vec::new();
    packed.by_ref().take(BLOCK).read_to_end(&mut magic)?;
    let packed = Cursor::new(magic.clone()).chain(packed);
    let bytes: Box<dyn Read + 'a> = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(packed)),
        [b'B', b'Z', b'h', ..] => Box::new(MultiBzDecoder::new(packed)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let stream = Stream::new_stream_decoder(limits.xz_memory, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(packed, stream))
        }
        block if block.get(USTAR).is_some_and(|magic| magic == b"ustar") => Box::new(packed),
        _ => return Err(io::Error::other("not a tar, gzip, bzip2 or xz archive")),
    };
    let by_ratio = limits.free.max(size.saturating_mul(limits.ratio));
    let excess = if by_ratio < limits.bytes {
        Excess::Ratio(limits.ratio)
    } else {
        Excess::Bytes(limits.bytes)
    };
    Ok(Box::new(Bounded {
        bytes,
        left: by_ratio.min(limits.bytes),
        excess,
    }))
}

/// A reader that fails after its limit.
struct Bounded<R> {
    bytes: R,
    left: u64,
    excess: Excess,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => Err(io::Error::other(self.excess.clone())),
        }
    }
}
