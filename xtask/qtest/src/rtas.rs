//! Calls of the firmware interface RTAS (Power Architecture Platform Requirements 2.7, chapter 7).

use crate::error::QtestError;
use crate::session::Session;

/// Calls a function with these arguments, and returns this many results. `at` is RAM for both.
pub fn call<const N: usize>(
    session: &mut Session,
    function: &str,
    at: u64,
    arguments: &[u32],
) -> Result<[u32; N], QtestError> {
    let bytes: Vec<u8> = arguments.iter().flat_map(|it| it.to_be_bytes()).collect();
    let results = at + bytes.len() as u64;
    session.write(at, &bytes)?;
    session.rtas(function, (at, arguments.len()), (results, N))?;
    let bytes = session.read(results, 4 * N)?;
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    Ok(words)
}
