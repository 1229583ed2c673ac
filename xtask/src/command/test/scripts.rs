//! Refuses scripts with shell syntax errors before anything boots.

use std::collections::BTreeSet;

use suite::Selected;

use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Shows the errors in the selected scripts.
pub(super) fn check(context: &Context, selected: &[Selected<'_>]) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error);
    let scripts = selected
        .iter()
        .filter(|selected| selected.test.header.body.is_script());
    let files = scripts.map(|selected| selected.test.path.as_path());
    let files: BTreeSet<_> = files.collect();
    let files: Vec<_> = files.into_iter().collect();
    let is_valid = script::syntax::is_valid(&files).map_err(failed)?;
    let mut found = Vec::new();
    for file in files {
        let shown = file.strip_prefix(&context.root).unwrap_or(file);
        found.extend(script::syntax::check(file, shown, is_valid).map_err(failed)?);
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(context.draw(&found, "in guest tests"))
    }
}
