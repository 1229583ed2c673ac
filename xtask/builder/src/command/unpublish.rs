//! `cargo xtask unpublish`: withdraws a release in an order in which no binary is ever without its
//! source.

use publish::perform;

use crate::command::publish::{Published, authority, progress};
use xtask::cli::publish::UnpublishArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, hinted};
use xtask::output;

pub(crate) fn run(context: &Context, args: &UnpublishArgs) -> CommandResult {
    let signing = authority(context, &args.signing)?;
    let mut tree = Published::open(context, &args.from)?.tree()?;
    perform::withdraw(
        tree.as_mut(),
        &args.release,
        &signing.authority(),
        &mut progress(context),
    )
    .map_err(hinted!(Exit::FetchFailed))?;
    output::result(format!("removed {} from {}", args.release, args.from));
    Ok(Exit::Success)
}
