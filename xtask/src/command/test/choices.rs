//! `--choose NAME=VALUE`.

use std::collections::BTreeMap;

use crate::exit::{Exit, Failure};

/// Parses the values of choices that override the seed.
pub(super) fn parse(asked: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let refused = |text: &String| {
        let error = anyhow::anyhow!("expected `NAME=VALUE` for --choose, found `{text}`");
        Failure::new(Exit::Usage, error).hint(Some("--choose nic=e1000".to_owned()))
    };
    asked
        .iter()
        .map(|text| pair(text).ok_or_else(|| refused(text)))
        .collect()
}
