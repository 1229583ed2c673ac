//! `cargo xtask recipe`: edits recipes.

use camino::Utf8PathBuf;
use fetch::{Discovered, discover};
use plan::bump::{self, NewSource};
use plan::recipe::Recipe;
use plan::{Project, suggest};

use crate::command::images;
use crate::network;
use crate::wiring::{self, Supply, supply_failure};
use xtask::cli::recipe::{BumpArgs, RecipeArgs, RecipeCommand};
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

pub(crate) fn run(context: &Context, args: &RecipeArgs) -> CommandResult {
    match &args.command {
        RecipeCommand::Bump(args) => bump(context, args),
    }
}

/// Finds and pins the files of another version, and refreezes the configs that derive from them.
fn bump(context: &Context, args: &BumpArgs) -> CommandResult {
    let project = context.project()?;
    let recipe = named(&project, &args.name)?;
    check_version(recipe, &args.version)?;
    network::check_allowed(context, &format!("find `{}` {}", args.name, args.version))?;
    let supply = Supply::of_project(context, &args.source, project.clone(), &[])?;
    let remotes = supply.remotes().map_err(supply_failure)?;
    let mut sources = Vec::new();
    for source in &recipe.sources {
        let candidate = bump::candidate(source, &recipe.version, &args.version)
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        output::note(format!("looking for `{}`", candidate.file));
        let found = discover(&supply.store, &candidate, &args.version, &remotes)
            .map_err(wiring::fetch_failure)?;
        report(&found);
        sources.push(NewSource {
            name: source.name.clone(),
            found: found.candidate,
            size: found.size,
            sha256: found.sha256,
            sha1: found.sha1,
        });
    }
    let family = project.family(&recipe.name);
    for member in &family {
        let own = if member.name == recipe.name {
            &sources[..]
        } else {
            &[]
        };
        rewrite(context, member, &args.version, own)?;
    }
    let freezes = family.iter().any(|member| !member.frozen.is_empty());
    let refreeze = freezes && !args.no_refreeze;
    if refreeze {
        images::refreeze(context, &args.source)?;
    }
    let arches = context.arches(&project, &args.source.arch)?;
    let is_frozen = refreeze && arches.len() == project.arches.len();
    for line in next_steps(is_frozen) {
        output::note(line);
    }
    Ok(Exit::Success)
}

fn named<'p>(project: &'p Project, name: &str) -> Result<&'p Recipe, Failure> {
    let usage = |error: anyhow::Error| Failure::new(Exit::Usage, error);
    let known = || project.recipes.keys().map(String::as_str);
    let recipe = project.recipes.get(name).ok_or_else(|| {
        let hint = suggest::closest(name, known());
        let hint = hint.map(|name| format!("did you mean `{name}`?"));
        usage(anyhow::anyhow!("unknown recipe `{name}`")).hint(hint)
    })?;
    if let Some(owner) = &recipe.sources_from {
        let error = anyhow::anyhow!("recipe `{name}` has the version and the sources of `{owner}`");
        return Err(usage(error).hint(format!("cargo xtask recipe bump {owner} VERSION")));
    }
    if recipe.sources.is_empty() {
        return Err(usage(anyhow::anyhow!("recipe `{name}` has no sources")));
    }
    Ok(recipe)
}

fn check_version(recipe: &Recipe, version: &str) -> Result<(), Failure> {
    if recipe.version == version {
        let error = anyhow::anyhow!("recipe `{}` already has version {version}", recipe.name);
        return Err(Failure::new(Exit::Usage, error));
    }
    Ok(())
}

/// The facts about the found files, for comparison with the announcement of the version.
fn report(found: &Discovered) {
    output::result(format!("{} {} bytes", found.candidate.file, found.size));
    output::result(format!("    from    {}", found.url));
    output::result(format!("    sha256  {}", found.sha256));
    output::result(format!("    sha1    {}", found.sha1));
    for (location, why) in &found.others {
        match why {
            None => output::result(format!("    also    {location}")),
            Some(why) => output::note(format!("warning: failed to find it at `{location}`: {why}")),
        }
    }
}

fn rewrite(
    context: &Context,
    recipe: &Recipe,
    version: &str,
    sources: &[NewSource],
) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    let path = Utf8PathBuf::from(format!("recipes/{}/recipe.toml", recipe.name));
    let file = context.root.join(&path);
    let text = fs_err::read_to_string(&file).map_err(|error| failed(error.into()))?;
    let text = bump::rewrite(&text, version, sources).map_err(|error| failed(error.into()))?;
    host::files::write(&file, text.as_bytes()).map_err(|error| failed(error.into()))?;
    output::result(format!("wrote {path}"));
    Ok(())
}

/// What the user does next. `is_frozen` is whether the frozen configs of all targets are new.
fn next_steps(is_frozen: bool) -> Vec<&'static str> {
    let mut lines = vec![
        "next:",
        "  compare the SHA-256 with the announcement of the release",
    ];
    if !is_frozen {
        lines.push("  cargo xtask images --refreeze --arch all");
    }
    lines.extend([
        "  git diff recipes images",
        "  cargo xtask images --from-source --update-prebuilt --arch all",
        "  cargo xtask test",
    ]);
    lines
}
