//! gdb for guests: the installed program and the kernels with symbols.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use guest::debug::Gdb;
use start::platform::ArchRun;

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::platforms;
use crate::supply::Supply;

/// The debugger, with the kernels that have symbols. Prints the command that builds a missing one.
pub(crate) fn gdb(supply: &Supply<'_>, runs: &[ArchRun]) -> Result<Gdb, Failure> {
    let program = installed_gdb(supply.context);
    let program = program.unwrap_or_else(|_| GDBS[1].to_owned());
    let mut symbols = BTreeMap::new();
    for arch in &supply.arches {
        let run = runs.iter().find(|run| run.arch.name == *arch);
        let own = run.and_then(ArchRun::kernel);
        let kernel = match own {
            Some(own) => own.symbols.clone(),
            None => image_symbols(supply, arch)?,
        };
        symbols.extend(kernel.map(|kernel| (arch.clone(), kernel)));
    }
    Ok(Gdb { program, symbols })
}

/// The names of the debugger, the one for all architectures first.
const GDBS: [&str; 2] = ["gdb-multiarch", "gdb"];

/// The installed debugger.
pub(crate) fn installed_gdb(context: &Context) -> Result<String, Failure> {
    let path = &context.env.path;
    let mut names = GDBS.iter();
    let found = names.find(|name| host::tools::find_in(name, path).is_some());
    match found {
        Some(name) => Ok((*name).to_owned()),
        None => Err(missing("gdb", "gdb-multiarch")),
    }
}

/// The kernel of an image with symbols. Prints the command that builds a missing one.
pub(crate) fn image_symbols(
    supply: &Supply<'_>,
    arch: &str,
) -> Result<Option<Utf8PathBuf>, Failure> {
    let symbols = platforms::symbols(supply, arch)?;
    if symbols.is_none() {
        output::note(format!(
            "{arch}: the store has no kernel with symbols; to build one: cargo xtask images --arch {arch} --from-source"
        ));
    }
    Ok(symbols)
}

/// The failure for a program that is not installed.
pub(crate) fn missing(name: &str, package: &str) -> Failure {
    let error = anyhow::anyhow!("`{name}` is not installed");
    Failure::new(Exit::SetupMissing, error).hint(Some(format!("apt-get install {package}")))
}
