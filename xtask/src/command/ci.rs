//! `cargo xtask ci`: everything that continuous integration runs, in the order in which it fails
//! soonest. Each part is a command that a person can run; what was not run is said at the end.

mod servers;

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use clap::Parser as _;
use host::process::{Command, Stdio};
use host::scratch::Scratch;

use crate::cli::{CiArgs, Cli, Purpose, SetupArgs};
use crate::command::setup;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Color};
use crate::render::quantity;

/// No part may take longer than the whole run has.
const LIMIT: Duration = Duration::from_secs(80 * 60);

pub(crate) fn run(context: &Context, args: &CiArgs) -> Outcome {
    if args.setup {
        setup::run(
            context,
            &SetupArgs {
                arch: Vec::new(),
                yes: true,
                purpose: Purpose::Ci,
            },
        )?;
    }
    let cargo = context
        .env
        .cargo
        .clone()
        .unwrap_or_else(|| Utf8PathBuf::from("cargo"));
    let cargo = cargo.as_str();
    if args.setup && !context.global.offline {
        servers::install(context, cargo);
    }
    let mut parts = Parts {
        context,
        passed: 0,
        failed: Vec::new(),
    };
    let offline: &[&str] = if context.global.offline {
        &["--offline"]
    } else {
        &[]
    };

    parts.run("formatting", &[cargo, "fmt", "--all", "--check"])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
    parts.run(
        "lints",
        &[&[cargo], &clippy[..], offline, &["--", "-D", "warnings"]].concat(),
    )?;
    let tests = ["test", "--workspace", "--locked"];
    parts.run(
        "unit and black-box tests",
        &[&[cargo], &tests[..], offline].concat(),
    )?;
    let scripts = scripts(context)?;
    let scripts: Vec<&str> = scripts.iter().map(|script| script.as_str()).collect();
    parts.run(
        "shell lint",
        &[&["shellcheck", "-s", "dash"], &scripts[..]].concat(),
    )?;
    let deny = host::tools::find("cargo-deny").is_some() && !context.global.offline;
    if deny {
        parts.run("dependencies", &[cargo, "deny", "check"])?;
    }
    parts.own("lock and prebuilt images", || check_lock(context))?;
    parts.own("guest tests", || {
        let junit = context.root.join("target/kiln/junit.xml");
        // The same commit makes the same choices; a host that has much else to do fails no test.
        let fixed = ["--seed=1", "--timeout-factor=4", "--retries=1"];
        let words = ["xtask", "test", "--junit", junit.as_str()];
        match Cli::try_parse_from(words.into_iter().chain(fixed)).map_err(anyhow::Error::from) {
            Ok(cli) => crate::dispatch(context, cli.command),
            Err(error) => Err(Failure::new(Exit::Failed, error)),
        }
    })?;
    Ok(parts.close(deny))
}

/// The parts as they go by.
struct Parts<'a> {
    context: &'a Context,
    passed: usize,
    /// Names, and how each ended.
    failed: Vec<(&'static str, Exit)>,
}

impl Parts<'_> {
    /// Runs a command; its output goes where ours goes.
    fn run(&mut self, name: &'static str, argv: &[&str]) -> Result<(), Failure> {
        let context = self.context;
        self.own(name, || {
            let command = Command::from_argv(argv)
                .current_dir(&context.root)
                // A test whose program is not there fails; elsewhere it is passed over.
                .env("KILN_NO_SKIP", "1")
                .stdout(Stdio::Inherit)
                .stderr(Stdio::Inherit);
            let status = command.run(LIMIT).map_err(|error| {
                let hint = error
                    .hint()
                    .or(Some("cargo xtask setup --yes --for ci".to_owned()));
                Failure::new(Exit::SetupMissing, error).hint(hint)
            })?;
            Ok(if status.success() {
                Exit::Success
            } else {
                Exit::Failed
            })
        })
    }

    /// Runs a part of our own.
    fn own(&mut self, name: &'static str, part: impl FnOnce() -> Outcome) -> Result<(), Failure> {
        let style = self.context.style;
        output::note(format!("{} {name}", style.paint(Color::Bold, "==>")));
        let start = Instant::now();
        let outcome = part();
        host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
        let time = quantity::time(start.elapsed());
        match outcome {
            Ok(exit) if exit.is_success() => {
                self.passed += 1;
                output::note(format!(
                    "{} {name} in {time}",
                    style.paint(Color::Green, "ok")
                ));
            }
            Ok(exit) => self.failed.push((name, exit)),
            Err(failure) => {
                crate::explain(self.context.style, &failure);
                self.failed.push((name, failure.exit));
            }
        }
        Ok(())
    }

    /// Says what failed, and what this run cannot know. What failed first says how it all ends.
    fn close(self, deny: bool) -> Exit {
        let style = self.context.style;
        output::note(
            "not run here: builds from source (cargo xtask images --from-source --verify)",
        );
        if !deny {
            output::note("not run here: cargo deny check (it is not installed, or offline)");
        }
        let servers = servers::missing(self.context).join(", ");
        if !servers.is_empty() {
            output::note(format!("not run here: releases on servers (no {servers})"));
        }
        let failed: Vec<&str> = self.failed.iter().map(|(name, _)| *name).collect();
        if !failed.is_empty() {
            let failed = failed.join(", ");
            output::note(format!("{}: {failed}", style.paint(Color::Red, "failed")));
        }
        output::result(format!(
            "checks: {} passed, {} failed",
            self.passed,
            failed.len()
        ));
        self.failed.first().map_or(Exit::Success, |(_, exit)| *exit)
    }
}

/// The lock, the archives and the list of sources in `images/` are those of the recipes.
fn check_lock(context: &Context) -> Outcome {
    let project = context.project()?;
    let scratch = Scratch::new_in(&context.env.temp_dir, "lock")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    provision::lock::check(&context.root, &project, scratch.path())?;
    Ok(Exit::Success)
}

/// Every shell script that is written by hand.
fn scripts(context: &Context) -> Result<Vec<Utf8PathBuf>, Failure> {
    let folders = ["guest-tests", "tests", "xtask/guest/src/standalone"];
    let files = host::files::read_tree(&context.root, &folders, &[])
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let scripts = files
        .into_keys()
        .filter(|path| path.extension() == Some("sh"));
    Ok(scripts.collect())
}
