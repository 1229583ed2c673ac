//! `cargo xtask gdb [RUN|GUEST]`: attaches gdb to a running guest.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use attach::protocol::GdbTarget;
use camino::Utf8PathBuf;
use guest::debug::Gdb;
use host::process::command::quote_line;

use crate::attached;
use crate::cli::SourceArgs;
use crate::cli::attach::GdbArgs;
use crate::context::Context;
use crate::debugger;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::supply::Supply;

pub(crate) fn run(context: &Context, args: &GdbArgs) -> CommandResult {
    let found = attached::find(context, &args.target, "gdb")?;
    let program = debugger::installed_gdb(context)?;
    let source = SourceArgs::of(std::slice::from_ref(&found.guest.arch));
    let supply = Supply::open(context, &source)?;
    let Some(arch) = supply.project.arches.get(&found.guest.arch) else {
        let error = anyhow::anyhow!("unknown architecture `{}`", found.guest.arch);
        return Err(Failure::new(Exit::Usage, error));
    };
    let (target, connection) = attached::debug(&found)?;
    let gdb = Gdb {
        program,
        symbols: symbols(&supply, &arch.name, &target)?,
    };
    let command = gdb.command(arch, &target.socket);
    if args.print {
        output::result(quote_line(&command));
        return Ok(Exit::Success);
    }
    if context.global.verbose > 0 {
        output::note(quote_line(&command));
    }
    // The time limits of the guest pause until gdb closes the connection.
    let error = host::guard::replace_by(&command, OwnedFd::from(connection));
    Err(Failure::new(Exit::SetupMissing, error))
}

/// The kernel with symbols by architecture.
fn symbols(
    supply: &Supply<'_>,
    arch: &str,
    target: &GdbTarget,
) -> Result<BTreeMap<String, Utf8PathBuf>, Failure> {
    let symbols = if target.is_own_kernel {
        target.symbols.clone()
    } else {
        debugger::image_symbols(supply, arch)?
    };
    Ok(symbols
        .map(|symbols| (arch.to_owned(), symbols))
        .into_iter()
        .collect())
}
