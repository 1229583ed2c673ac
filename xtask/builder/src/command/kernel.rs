//! `cargo xtask kernel build|config`: builds a kernel from a source tree with Kiln's compiler. The logic is in
//! the crate `kernel`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use host::process::command::quote;
use kernel::{Config, KernelBuild, MakeError, Request};
use plan::arch::Arch;

use super::toolchain::NO_LIMIT;
use crate::render::kernel::{ConfigReport, note_changes};
use xtask::cli::kernel::{BuildArgs, KernelArgs, KernelCommand, TreeArgs};
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::kernel_options;

mod environment;
mod headers;

pub(crate) fn run(context: &Context, args: &KernelArgs) -> CommandResult {
    match &args.command {
        KernelCommand::Build(args) => build(context, args),
        KernelCommand::Config(args) => config(context, args),
    }
}

fn build(context: &Context, args: &BuildArgs) -> CommandResult {
    let (build, config, report) = configure(context, &args.tree, &args.arguments)?;
    build.compile(&config).map_err(|error| match error {
        MakeError::Make { is_full: false, .. } => {
            failure(error).hint(headers::explain(context, &config))
        }
        error => failure(error),
    })?;
    let tree = quote(&build.output);
    context.note(format!("next: cargo xtask test --kernel {tree}"));
    report.result(context, &build.output);
    Ok(Exit::Success)
}

fn config(context: &Context, args: &TreeArgs) -> CommandResult {
    let (build, _, report) = configure(context, args, &[])?;
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let edits = build.edit().map_err(failure)?;
        if edits.is_empty() {
            context.note("no changes");
        } else {
            note_changes(context, &edits);
            context.note(format!("kept for later builds in {}", build.edits()));
        }
    }
    report.result(context, &build.output.join(".config"));
    Ok(Exit::Success)
}

/// Makes the config of a build and prints what changed in it.
fn configure(
    context: &Context,
    args: &TreeArgs,
    arguments: &[String],
) -> Result<(KernelBuild, Config, ConfigReport), Failure> {
    let project = context.project()?;
    let arch = kernel_options::arch(context, &project, args)?;
    if arch.linux.u_boot.is_some() {
        let name = &arch.name;
        let error = anyhow::anyhow!(
            "`kernel build` does not support {name}: QEMU loads the `Image` of a build tree at a wrong address"
        );
        let hint = "build the kernel yourself, then: cargo xtask test --kernel zImage";
        return Err(Failure::new(Exit::Usage, error).hint(Some(hint.to_owned())));
    }
    let fragments = kernel_options::fragments(context, &project, arch, args)?;
    let build = prepare(context, args, arch, arguments)?;
    let (configured, fragments) = build.configure(fragments).map_err(failure)?;
    let before = if let Some(previous) = configured.previous {
        (previous, "the previous config".to_owned())
    } else {
        let frozen = host::files::read_text(&kernel_options::frozen(context, arch));
        let frozen = frozen.map_err(|error| Failure::new(Exit::Failed, error))?;
        let name = format!("Kiln's own kernel of {}", arch.name);
        (Config::parse(&frozen.unwrap_or_default()), name)
    };
    let config = configured.config;
    let is_own = |request: &Request| kernel_options::is_own(arch, &request.origin);
    let report = ConfigReport::new((&before.0, before.1), &config, &fragments, is_own);
    report.note(context);
    Ok((build, config, report))
}

/// Finds or builds the compiler, and checks the trees.
fn prepare(
    context: &Context,
    args: &TreeArgs,
    arch: &Arch,
    arguments: &[String],
) -> Result<KernelBuild, Failure> {
    let source = context.env.absolute(&args.src);
    let name = source
        .canonicalize_utf8()
        .unwrap_or_else(|_| source.clone());
    let name = format!("{}-{}", name.file_name().unwrap_or("linux"), arch.name);
    let output = match &args.out {
        Some(out) => context.env.absolute(out),
        None => context.root.join("target/kiln/kernel").join(name),
    };
    let detail = match (context.global.quiet, context.global.verbose) {
        (true, _) => Some("-s"),
        (false, 0) => None,
        (false, _) => Some("V=1"),
    };
    let detail = detail.into_iter().map(str::to_owned);
    let build = KernelBuild {
        source,
        output,
        linux: arch.linux.clone(),
        prefix: format!("{}-", arch.triple),
        env: BTreeMap::new(),
        arguments: detail.chain(arguments.iter().cloned()).collect(),
        jobs: context.jobs(),
        limit: NO_LIMIT,
    };
    build.check().map_err(failure)?;
    let env = environment::find(context, &args.source, arch)?;
    Ok(KernelBuild { env, ..build })
}

fn failure(error: MakeError) -> Failure {
    let exit = if error.is_usage() {
        Exit::Usage
    } else {
        Exit::Failed
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}
