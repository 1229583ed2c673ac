//! The program behind `cargo xtask`. All code is in its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main(xtask::dispatch)
}
