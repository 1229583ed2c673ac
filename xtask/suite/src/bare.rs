//! Bare-metal tests: guests without an operating system, from `guest-tests/bare/`.
//!
//! A test is a directory with `<name>.c` and a header, `test.toml`. The recipe `bare` compiles it; nothing
//! here reads the program. `docs/bare-tests.md` describes how to write one.

pub mod judge;

/// Where the tests are, in the repository.
pub const FOLDER: &str = "guest-tests/bare";
/// The area of these tests.
pub(crate) const AREA: &str = "bare";

/// A guest without an operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareTest {
    /// The name of its program.
    pub program: String,
    /// Its QEMU arguments.
    pub options: Vec<String>,
}
