//! `cargo xtask fetch` and `images --mirror` from outside, over a small repository of the tests' own and
//! servers that misbehave: what comes, from where, and what is said of the rest.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "acts from outside, as a user does"
)]

mod command;
mod faulty;
mod proxy;
mod recipe;
mod secrets;
