//! `cargo xtask target new`: writes the files of a new target, which the user completes.

use plan::{skeleton, suggest};
use xtask::cli::target::{NewArgs, TargetArgs, TargetCommand};
use xtask::context::{ALL, Context};
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

pub(crate) fn run(context: &Context, args: &TargetArgs) -> CommandResult {
    match &args.command {
        TargetCommand::New(args) => new(context, args),
    }
}

fn new(context: &Context, args: &NewArgs) -> CommandResult {
    let project = context.project()?;
    let (name, other) = (args.name.as_str(), args.from.as_str());
    let usage = |error: anyhow::Error| Failure::new(Exit::Usage, error);
    let known = || project.arches.keys().map(String::as_str);
    if name == ALL {
        return Err(usage(anyhow::anyhow!(
            "`{ALL}` is not a name: `--arch {ALL}` selects every target"
        )));
    }
    if project.arches.contains_key(name) {
        return Err(usage(anyhow::anyhow!("target `{name}` already exists")));
    }
    if !project.arches.contains_key(other) {
        let hint = suggest::help(other, "targets", known());
        return Err(usage(anyhow::anyhow!("unknown target `{other}`")).hint(Some(hint)));
    }
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, error);
    let read = |path: String| fs_err::read_to_string(context.root.join(path)).map_err(failed);
    let file = read(format!("images/{other}.toml"))?;
    let fragment = read(format!("images/{other}/linux.fragment"))?;
    let files =
        skeleton::files(name, other, &file, &fragment).map_err(|error| usage(error.into()))?;
    if let Some(taken) = files.keys().find(|path| context.root.join(path).exists()) {
        return Err(usage(anyhow::anyhow!("`{taken}` exists")));
    }
    for (path, text) in &files {
        host::files::write(&context.root.join(path), text.as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::result(format!("wrote {path}"));
    }
    output::note(format!("next: check these keys of images/{name}.toml"));
    for (key, what) in skeleton::CHECK {
        output::note(format!("  {key:<14} {what}"));
    }
    output::note(format!("then images/{name}/linux.fragment, and"));
    output::note(format!("  cargo xtask images --refreeze --arch {name}"));
    output::note(format!(
        "  cargo xtask images --from-source --update-prebuilt --arch {name}"
    ));
    output::note(format!("  cargo xtask test --arch {name} boot"));
    Ok(Exit::Success)
}
