//! The program behind `cargo xtask`. The rest is in its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main(xtask::dispatch)
}
