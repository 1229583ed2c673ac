//! The environment in which a kernel is compiled.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use forge::build::BuildError;
use plan::arch::Arch;
use plan::step::{Action, Mount};
use sandbox::Toolbox;

use crate::wiring::{Supply, build_failure, supply_failure};
use xtask::cli::SourceArgs;
use xtask::context::Context;
use xtask::exit::Failure;

/// The environment of Kiln's own kernel build, with the compiler and this host's tools on `PATH`.
pub(super) fn find(
    context: &Context,
    source: &SourceArgs,
    arch: &Arch,
) -> Result<BTreeMap<String, String>, Failure> {
    let source = SourceArgs {
        arch: vec![arch.name.clone()],
        ..source.clone()
    };
    let supply = Supply::open(context, &source)?;
    let (_, step) = supply.step("linux", &arch.name)?;
    let mut env = BTreeMap::new();
    if let Action::Script(script) = &step.action {
        let tools = Toolbox::find(script.tools.iter().map(String::as_str), &context.env.path);
        if !tools.missing().is_empty() {
            return Err(build_failure(BuildError::Tools {
                missing: tools.missing().to_vec(),
                root: None,
            }));
        }
        env = sandbox::variables(script);
    }
    let compiler = step
        .inputs
        .iter()
        .find(|input| input.mount == Mount::Toolchain);
    let mut path: Vec<Utf8PathBuf> = Vec::new();
    if let Some(input) = compiler {
        let options = supply.options().map_err(supply_failure)?;
        let built = supply
            .perform(&[input.step], &options)
            .map_err(supply_failure)?;
        path.extend(built.values().map(|ready| ready.path().join("bin")));
    }
    path.extend(context.env.path.iter().cloned());
    let path: Vec<&str> = path.iter().map(|path| path.as_str()).collect();
    env.insert("PATH".to_owned(), path.join(":"));
    Ok(env)
}
