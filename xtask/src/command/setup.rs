//! `cargo xtask setup`: lists missing tools and prints the commands of the host's package manager
//! that install them. `--yes` runs these commands. `test --setup` and `ci --setup` do so first.

use std::collections::BTreeSet;

use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use host::packages;
use plan::Project;

use crate::cli::setup::{Purpose, SetupArgs};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::output::{self, Color};

pub(crate) fn run(context: &Context, args: &SetupArgs) -> CommandResult {
    let project = context.project()?;
    let mut arches = context.arches(&project, &args.arch)?;
    if args.purpose == Purpose::Ci && args.arch.is_empty() {
        // Every target whose image is in the repository is booted.
        let prebuilt = project.arches.values().filter(|arch| arch.prebuilt);
        arches.extend(prebuilt.map(|arch| arch.name.clone()));
    }
    let needs: Vec<String> = needs(&project, &arches, args.purpose).into_iter().collect();
    let missing = packages::missing(&needs, &context.env);
    if missing.is_empty() {
        if !context.global.quiet {
            output::note(format!("all {} tools are installed", needs.len()));
        }
        return Ok(Exit::Success);
    }
    if context.global.offline {
        let error = anyhow::anyhow!(
            "failed to install {}: --offline was given",
            missing.join(", ")
        );
        return Err(Failure::new(Exit::SetupMissing, error));
    }
    output::note(format!("missing: {}", missing.join(", ")));
    let facts = packages::gather(&missing, &context.env).map_err(hinted!(Exit::SetupMissing))?;
    let setup = packages::plan_setup(&missing, &facts);
    for note in &setup.notes {
        output::note(format!(
            "{}: {note}",
            context.style.paint(Color::Cyan, "note")
        ));
    }
    if !args.yes {
        for command in setup.commands() {
            output::result(command.to_string());
        }
        if !setup.install.is_empty() {
            let purpose = args.purpose.to_possible_value();
            let purpose = purpose.as_ref().map_or("test", PossibleValue::get_name);
            output::note(format!(
                "to run these: cargo xtask setup --yes --for {purpose}"
            ));
        }
        return Ok(Exit::SetupMissing);
    }
    packages::perform(&missing, &context.env, &mut |command| {
        output::note(format!(
            "{} {command}",
            context.style.paint(Color::Bold, "$")
        ));
    })
    .map_err(hinted!(Exit::SetupMissing))?;
    if !context.global.quiet {
        output::note(format!("installed {} missing tools", missing.len()));
    }
    Ok(Exit::Success)
}

/// The tools that a purpose needs, from the architectures and recipes.
fn needs(project: &Project, arches: &[String], purpose: Purpose) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = project
        .arches
        .values()
        .filter(|arch| arches.contains(&arch.name))
        .map(|arch| arch.qemu.binary.clone())
        .collect();
    match purpose {
        Purpose::Test => {}
        Purpose::Build => {
            needs.extend(project.host_tools.iter().cloned());
            needs.extend(
                project
                    .recipes
                    .values()
                    .flat_map(|recipe| recipe.tools.clone()),
            );
            let chosen = project
                .arches
                .values()
                .filter(|arch| arches.contains(&arch.name));
            needs.extend(chosen.flat_map(|arch| arch.tools.values().flatten().cloned()));
            needs.insert("bwrap".to_owned());
        }
        Purpose::Ci => {
            // Additional tools of lints and black-box tests.
            let programs = [
                "bwrap",
                "faketime",
                "gpgv",
                "mkfs.ext4",
                "openssl",
                "shellcheck",
                "strace",
                "swtpm",
            ];
            needs.extend(programs.map(str::to_owned));
        }
    }
    needs
}
