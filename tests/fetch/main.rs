//! Black-box tests of `cargo xtask fetch` and `images --mirror` with a small repository and
//! misbehaving servers.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "acts from outside, as a user does"
)]

mod command;
mod distribution;
mod faulty;
mod proxy;
mod recipe;
mod secrets;
