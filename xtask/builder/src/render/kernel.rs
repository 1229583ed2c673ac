//! What `cargo xtask kernel` prints about a config.

use kernel::{Change, Request};
use xtask::output::{self, Color, Style};

/// The number of changed options that are printed, unless all were requested.
pub(crate) const LIMIT: usize = 40;

/// Prints the first of some changes, and how many there are more.
pub(crate) fn changes(changes: &[Change], limit: usize) {
    for change in changes.iter().take(limit) {
        output::note(format!("  {change}"));
    }
    let more = changes.len().saturating_sub(limit);
    if more > 0 {
        output::note(format!("  and {more} more, which -v prints"));
    }
}

/// Prints a requested option that has another value.
pub(crate) fn lost(style: Style, request: &Request, value: &str) {
    let label = style.paint(Color::Yellow, "warning");
    let Request {
        option,
        value: requested,
        origin,
    } = request;
    output::note(format!(
        "{label}: CONFIG_{option} is {value}, but {origin} requests {requested}; `/` in menuconfig shows what it depends on"
    ));
}
