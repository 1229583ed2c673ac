//! `--opt NAME=VALUE`: options of device tests.

use std::sync::Arc;

use camino::Utf8Path;
use qtest::trace::{self, Request};

use crate::context::Context;
use crate::exit::{Exit, Failure};

/// The option with the requests for disks.
const TRACE: &str = "trace";

/// Reads the trace that the options name. A later option replaces an earlier one.
pub(super) fn trace(
    context: &Context,
    options: &[String],
) -> Result<Option<Arc<[Request]>>, Failure> {
    let mut requests = None;
    for option in options {
        let file = match option.split_once('=') {
            Some((TRACE, file)) if !file.is_empty() => Utf8Path::new(file),
            _ => {
                let error = anyhow::anyhow!("expected `trace=FILE` for --opt, found `{option}`");
                return Err(Failure::new(Exit::Usage, error));
            }
        };
        let text = host::files::read(&context.env.absolute(file))
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        let parsed = trace::parse(&String::from_utf8_lossy(&text)).map_err(|error| {
            let error = anyhow::anyhow!("failed to read `{file}`: {error}");
            Failure::new(Exit::Usage, error)
        })?;
        requests = Some(parsed.into());
    }
    Ok(requests)
}
