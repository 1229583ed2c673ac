//! SHA-256 of files.

use std::io::{self, Read as _};

use camino::Utf8Path;
use fs_err as fs;
use plan::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Large enough that system calls do not matter, small enough for the second-level cache.
const BUFFER: usize = 256 * 1024;

/// Length and SHA-256 of a file.
pub fn digest_file(path: &Utf8Path) -> io::Result<(u64, Digest)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    Ok((size, Digest::from_bytes(hasher.finalize().into())))
}
