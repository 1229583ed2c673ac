//! Random numbers of the kernel: for nonces, for seeds that the user did not choose, for delays.

use std::io;

use crate::clock;

/// Bytes that cannot be guessed.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A seed below 2^32: short enough to type. Without a source of random numbers it follows the clock.
#[must_use]
pub fn seed() -> u64 {
    bytes().map_or_else(
        |_| clock::seconds(),
        |bytes| u64::from(u32::from_ne_bytes(bytes)),
    )
}
