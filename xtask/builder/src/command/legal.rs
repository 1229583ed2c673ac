//! `cargo xtask legal`: lists the components of an image with their licences and sources.

use crate::command::publish::crates;
use crate::render;
use xtask::cli::MessageFormat;
use xtask::cli::publish::LegalArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, hinted};
use xtask::output;

pub(crate) fn run(context: &Context, args: &LegalArgs) -> CommandResult {
    let project = context.project()?;
    let arches = context.arches(&project, &args.arch)?;
    let plan = project.plan(&arches).map_err(hinted!(Exit::Usage))?;
    let rows = publish::legal::rows(&plan);
    let crates = crates(context)?;
    match context.global.message_format {
        MessageFormat::Human => {
            output::result(render::release::legal(&rows));
            let named = context.global.verbose > 0;
            output::result(render::release::crates(&crates, named));
        }
        MessageFormat::Json => {
            for row in &rows {
                output::result(render::release::legal_line(row).to_string());
            }
            for one in &crates {
                output::result(render::release::crate_line(one).to_string());
            }
        }
    }
    Ok(Exit::Success)
}
