//! Random numbers from the kernel: nonces, default seeds and delays.

use std::io;

use crate::clock;

/// Unpredictable bytes.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A seed below 2^32, short enough to type. Derived from the clock if the kernel gives no random
/// numbers.
#[must_use]
pub fn seed() -> u64 {
    bytes().map_or_else(
        |_| clock::seconds(),
        |bytes| u64::from(u32::from_ne_bytes(bytes)),
    )
}
