//! `cargo xtask legal`: what is in an image, under which licence, where its source is.

use crate::cli::MessageFormat;
use crate::cli::publish::LegalArgs;
use crate::context::Context;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::render;
use crate::supply::plan_for;

pub(crate) fn run(context: &Context, args: &LegalArgs) -> Outcome {
    let project = context.project()?;
    let arches = Context::arches(&project, &args.arch)?;
    let plan = plan_for(&project, &arches)?;
    let rows = publish::legal::rows(&plan);
    match context.global.message_format {
        MessageFormat::Human => output::result(render::release::legal(&rows)),
        MessageFormat::Json => {
            for row in &rows {
                output::result(render::release::legal_line(row).to_string());
            }
        }
    }
    Ok(Exit::Success)
}
