//! `cargo xtask ci`: everything that continuous integration runs, with the quickest checks first.
//! Each part is a command that a user can run. Skipped parts are listed at the end.

mod commits;
mod older_qemu;
mod parts;
mod servers;

use camino::Utf8PathBuf;
use clap::Parser as _;

use crate::cli::setup::{Purpose, SetupArgs};
use crate::cli::{CiArgs, Cli, Command};
use crate::command::{setup, test};
use crate::context::{ALL, Context};
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use parts::Parts;

/// The profile of `kiln.toml` that tests run with, unless `--profile` selects another.
const PROFILE: &str = "ci";

pub(crate) fn run(context: &Context, args: &CiArgs) -> CommandResult {
    if args.setup {
        setup::run(context, &SetupArgs::install(Purpose::Ci, &[]))?;
    }
    let profiled = context.or_profile(PROFILE)?;
    let cargo = context
        .env
        .cargo
        .clone()
        .unwrap_or_else(|| Utf8PathBuf::from("cargo"));
    let cargo = cargo.as_str();
    let mut older_qemu = None;
    if args.setup && !context.global.offline {
        servers::install(context, cargo);
        older_qemu = older_qemu::unpack(context);
    }
    let mut parts = Parts::new(context);
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
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
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
    parts.own("commit subjects", || {
        commits::check(context, args.base.as_deref())
    })?;
    parts.own("lock and prebuilt images", || check_lock(context))?;
    parts.own("guest tests", || {
        let junit = context.root.join("target/kiln/junit.xml");
        guest_tests(&profiled, &["--junit", junit.as_str()])
    })?;
    parts.own("boot of every target", || {
        guest_tests(&profiled, &["--arch", ALL, "boot::true"])
    })?;
    if context.global.offline {
        output::note("skipped: guest tests with Debian (offline)");
    } else {
        parts.own("guest tests with Debian", || {
            guest_tests(&profiled, &["--image", "debian", "debian"])
        })?;
    }
    if let Some(qemu) = older_qemu {
        parts.own("guest tests with an older QEMU", || {
            older_qemu::run(&profiled, &qemu)
        })?;
    }
    Ok(parts.close(deny))
}

/// Runs `cargo xtask test` with these arguments.
fn guest_tests(context: &Context, arguments: &[&str]) -> CommandResult {
    let words = ["xtask", "test"].iter().chain(arguments);
    match Cli::try_parse_from(words).map_err(anyhow::Error::from) {
        Ok(Cli {
            command: Command::Test(args),
            ..
        }) => test::run(context, &args),
        Ok(_) => Ok(Exit::Usage),
        Err(error) => Err(Failure::new(Exit::Failed, error)),
    }
}

/// Checks that the lock, the archives and the list of sources in `images/` match the recipes.
fn check_lock(context: &Context) -> CommandResult {
    let project = context.project()?;
    let scratch = context.scratch("lock")?;
    provision::lock::check(&context.root, &project, scratch.path())?;
    Ok(Exit::Success)
}

/// All hand-written shell scripts.
fn scripts(context: &Context) -> Result<Vec<Utf8PathBuf>, Failure> {
    let folders = ["guest-tests", "tests", "xtask/script/src/standalone"];
    let files = host::files::read_tree(&context.root, &folders, &[])
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let scripts = files
        .into_keys()
        .filter(|path| path.extension() == Some("sh"));
    Ok(scripts.collect())
}
