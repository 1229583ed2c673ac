//! `cargo xtask config`: prints the effective settings and their origins.

use settings::Layer;
use suite::Filter;

use super::test::{self, defaults, machines};
use crate::cli::MessageFormat;
use crate::context::Context;
use crate::exit::{CommandResult, Exit};
use crate::output;
use crate::render;

pub(crate) fn run(context: &Context) -> CommandResult {
    let project = context.project()?;
    let arches: Vec<String> = project.arches.keys().cloned().collect();
    let filter = Filter {
        machines: machines(&project),
        ..Filter::default()
    };
    defaults::check(context, &test::load(context, &arches)?, &filter, &arches)?;
    let resolved = context.resolve(Layer::default());
    match context.global.message_format {
        MessageFormat::Human => output::result(render::config::table(&resolved).trim_end()),
        MessageFormat::Json => {
            for line in render::config::lines(&resolved) {
                output::result(line.to_string());
            }
        }
    }
    Ok(Exit::Success)
}
