//! A checkout that a benchmark measures, with the program that is compiled from it.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Output};
use serde_json::Value;

use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;

/// Time limit of a command: longer than a complete run of all tests.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The package of the program.
const PACKAGE: &str = "xtask";

/// A compiled checkout.
pub(super) struct Side {
    pub(super) root: Utf8PathBuf,
    program: Utf8PathBuf,
}

/// What a command cost.
pub(super) struct Cost {
    /// CPU time of the command and its descendants.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
}

impl Side {
    /// Compiles the checkout.
    pub(super) fn build(context: &Context, root: &Utf8Path) -> Result<Self, Failure> {
        let output = cargo_build(context, root, &[])?;
        let lines = output.stdout_text();
        let messages = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let program = messages
            .filter(|message: &Value| message["target"]["name"] == PACKAGE)
            .find_map(|message| message["executable"].as_str().map(Utf8PathBuf::from));
        let missing = || anyhow::anyhow!("expected `{root}` to have a program `{PACKAGE}`");
        Ok(Self {
            root: root.to_owned(),
            program: program.ok_or_else(|| Failure::new(Exit::Usage, missing()))?,
        })
    }

    /// A command of this side, in its checkout.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program)
            .env("CARGO_MANIFEST_DIR", self.root.join(PACKAGE))
            .current_dir(&self.root)
    }

    /// A command of this side's program, in another checkout.
    pub(super) fn command_in(&self, checkout: &Utf8Path) -> Command {
        Command::new(&self.program)
            .env_remove("CARGO_MANIFEST_DIR")
            .current_dir(checkout)
    }
}

/// Runs a command of a side. A test that fails costs time as well.
pub(super) fn measured(command: Command) -> Result<(Cost, Output), Failure> {
    let line = command.shell_line();
    let (before, start) = (host::clock::cpu_of_children(), host::clock::monotonic());
    let output = command.output(LIMIT).map_err(hinted!(Exit::SetupMissing))?;
    let cost = spent(before, start);
    let code = output.status.code();
    if code == Some(0) || code == Some(i32::from(Exit::TestFailed.code())) {
        return Ok((cost, output));
    }
    let error = anyhow::anyhow!(
        "failed to measure `{line}`: it exited with {}",
        output.status
    );
    Err(Failure::new(Exit::Failed, error))
}

/// The cost since then.
pub(super) fn spent(cpu: Duration, start: Instant) -> Cost {
    Cost {
        cpu: host::clock::cpu_of_children().saturating_sub(cpu),
        wall: start.elapsed(),
    }
}

/// Compiles a checkout, with messages in JSON.
pub(super) fn cargo_build(
    context: &Context,
    root: &Utf8Path,
    options: &[&str],
) -> Result<Output, Failure> {
    output::note(format!("compiling {root}"));
    let cargo = context.env.cargo.clone();
    let output = Command::new(cargo.unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", PACKAGE, "--offline", "--locked"])
        .args(["--quiet", "--message-format", "json"])
        .args(options)
        .current_dir(root)
        .output(LIMIT)
        .map_err(hinted!(Exit::SetupMissing))?;
    if output.status.success() {
        return Ok(output);
    }
    let error = anyhow::anyhow!("failed to compile `{root}`: {}", output.stderr_text());
    Err(Failure::new(Exit::Failed, error).hint("cargo fetch".to_owned()))
}
