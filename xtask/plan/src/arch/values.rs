//! Times, sizes, factors and lists in `images/<arch>.toml`, with an error at the value where one is wrong.

use std::time::Duration;

use toml::Spanned;

use super::Unusable;
use crate::diagnostic::{Diagnostic, Page};
use crate::{duration, size};

/// Checks a size of memory.
pub(super) fn memory(page: Page<'_>, text: Spanned<String>, found: &mut Vec<Diagnostic>) -> String {
    if size::parse(text.get_ref()).is_none() {
        let title = format!("`{}` is not a size", text.get_ref());
        found.push(page.at(text.span(), title, "expected a size such as `64M`"));
    }
    text.into_inner()
}

/// Checks that each entry has devices and a reason, and that its version is one.
pub(super) fn unusable(
    page: Page<'_>,
    entries: Vec<Spanned<Unusable>>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Unusable> {
    for entry in &entries {
        let Unusable {
            devices,
            reason,
            fixed_in,
        } = entry.get_ref();
        if devices.is_empty() || reason.is_empty() {
            let title = "the list of unusable devices is incomplete";
            found.push(page.at(entry.span(), title, "expected `devices` and `reason`"));
        }
        if let Some(version) = fixed_in
            && !is_version(version)
        {
            let title = format!("`{version}` is not a QEMU version");
            found.push(page.at(entry.span(), title, "expected a version such as `11.0`"));
        }
    }
    entries.into_iter().map(Spanned::into_inner).collect()
}

/// One to three numbers.
fn is_version(text: &str) -> bool {
    text.split('.').count() <= 3 && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

/// Parses a time. An error yields zero.
pub(super) fn time(
    page: Page<'_>,
    text: &Spanned<String>,
    found: &mut Vec<Diagnostic>,
) -> Duration {
    duration::parse(text.get_ref()).unwrap_or_else(|error| {
        let diagnostic = page.at(text.span(), error.to_string(), "here");
        found.push(Diagnostic {
            help: error.hint(),
            ..diagnostic
        });
        Duration::ZERO
    })
}

/// Parses a factor between a thousandth and a thousand.
pub(super) fn permille(page: Page<'_>, factor: &Spanned<f64>, found: &mut Vec<Diagnostic>) -> u32 {
    let thousandths = (factor.get_ref() * 1000.0).round();
    if !(1.0..=1_000_000.0).contains(&thousandths) {
        let title = format!("{} is not a factor of a time limit", factor.get_ref());
        found.push(page.at(factor.span(), title, "expected a number such as 0.5"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and what is out of range was found above"
    )]
    let thousandths = thousandths as u32;
    thousandths
}
