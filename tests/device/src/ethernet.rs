//! The Ethernet frame that tests of network cards send.

use qtest::{Bench, Failure};

/// The length of the frame in bytes.
pub(crate) const LENGTH: u32 = 64;

/// A frame: broadcast, a source, a protocol for experiments, and content. Its last byte is 63.
pub(crate) fn frame() -> Vec<u8> {
    let mut bytes = vec![0xff; 6];
    bytes.extend([0x52, 0x54, 0x00, 0x01, 0x02, 0x03, 0x88, 0xb5]);
    bytes.extend(14u8..64);
    bytes
}

/// Expects the frame at an address of RAM, with this last byte.
pub(crate) fn check_frame(bench: &mut Bench<'_>, address: u64, last: u8) -> Result<(), Failure> {
    let found = bench.session.read(address, LENGTH as usize)?;
    let sent = frame();
    bench.check("frame before its last byte", &found[..63], &sent[..63])?;
    bench.check("last byte", found[63], last)
}
