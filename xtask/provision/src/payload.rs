//! Finds the kernel in a compressed kernel image: its payload is an xz stream somewhere in the file.
//! Which one it is, and that it is whole, the lock proves.

use std::io::Read as _;

use lzma_rust2::XzReader;
use plan::digest::Digest;
use plan::lock::LockedFile;

/// Begins every xz stream (xz file format 1.2.1, section 2.1.1.1).
const MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// Memory of the decoder, in KiB. The kernel's own limit on the dictionary is far below.
const MEMORY: u32 = 256 << 10;

/// The payload of `image` that is `wanted`.
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
    // The decoder takes what follows the stream for damage, so the end is not read on.
    let mut decoder = XzReader::new_mem_limit(packed, false, MEMORY).take(wanted.size);
    decoder.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == wanted.size && Digest::of(&bytes) == wanted.sha256).then_some(bytes)
}
