//! Finds the kernel in a compressed kernel image: its payload is an xz stream somewhere in the
//! file. The lock identifies the right stream and proves that it is complete.

use std::io::Read as _;

use lzma_rust2::XzReader;
use plan::digest::Digest;
use plan::lock::LockedFile;

/// The magic bytes of every xz stream (xz file format 1.2.1, section 2.1.1.1).
const MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// Memory limit of the decoder in KiB. The kernel's own limit on the dictionary is far below.
const MEMORY: u32 = 256 << 10;

/// The payload of `image` that matches `wanted`.
#[must_use]
pub fn find(image: &[u8], wanted: &LockedFile) -> Option<Vec<u8>> {
    let places = image
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC);
    places
        .map(|(place, _)| &image[place..])
        .find_map(|stream| decode(stream, wanted))
}

fn decode(packed: &[u8], wanted: &LockedFile) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // The decoder reports data after the stream as damage, so nothing is read after the payload.
    let mut decoder = XzReader::new_mem_limit(packed, false, MEMORY).take(wanted.size);
    decoder.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == wanted.size && Digest::of(&bytes) == wanted.sha256).then_some(bytes)
}
