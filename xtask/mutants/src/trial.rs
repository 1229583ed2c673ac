//! Runs the tests of a mutant: `cargo xtask test` with the switch set, and reads its JSON report.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::process::{Command, ProcessError, Stdio};
use verdict::event::RunReport;

use crate::score::{self, Control, Verdict};
use crate::set::Mutant;

/// Tests of one device end long before. A control run of all tests may take hours.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How tests are run.
#[derive(Debug, Clone)]
pub struct Runner<'a> {
    /// The program with the command `test`.
    pub xtask: &'a Utf8Path,
    /// The checkout.
    pub root: &'a Utf8Path,
    /// The directory of the QEMU with the mutants.
    pub qemu: &'a Utf8Path,
    /// The directory of logs and reports.
    pub directory: &'a Utf8Path,
    /// Options of `test`: jobs, network and so on.
    pub flags: &'a [String],
    /// The seed of all choices, the same for the control run and the mutants.
    pub seed: u64,
    /// Whether every test runs for each mutant.
    pub all_tests: bool,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The program cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The report cannot be read.
    #[error("failed to read the report of a test run")]
    Io(#[from] io::Error),
    /// The report is not a report.
    #[error("failed to parse the report of a test run")]
    Report(#[from] serde_json::Error),
    /// The run ended without a report.
    #[error("failed to run the tests, see `{log}`: {message}")]
    NoReport {
        /// The log of the run.
        log: Utf8PathBuf,
        /// The first error in the log, or its last line.
        message: String,
    },
}

impl Runner<'_> {
    /// Runs the tests of these mutants without any mutant.
    pub fn control(&self, arch: &str, mutants: &[&Mutant]) -> Result<Control, TrialError> {
        let all: BTreeSet<String> = mutants.iter().map(|mutant| mutant.expression()).collect();
        let mut expressions = BTreeSet::new();
        for expression in all {
            if self.all_tests || self.selects(arch, &expression)? {
                expressions.insert(expression);
            }
        }
        if expressions.is_empty() {
            return Ok(Control::default());
        }
        let selected: Vec<String> = expressions.iter().cloned().collect();
        let run = self.run(arch, "control", &selected, None)?;
        Ok(Control {
            expressions,
            ..Control::of(&run)
        })
    }

    /// Whether an expression selects any test. A name that matches no test is an error of `test`.
    fn selects(&self, arch: &str, expression: &str) -> Result<bool, TrialError> {
        let status = Command::new(self.xtask)
            .args(["test", "--list", "--offline"])
            .arg(format!("--arch={arch}"))
            .arg(format!("--filter-expr={expression}"))
            .stdout(Stdio::Null)
            .stderr(Stdio::Null)
            .current_dir(self.root)
            .run(LIMIT)?;
        Ok(status.success())
    }

    /// Runs the tests of a mutant until one notices it.
    pub fn mutant(
        &self,
        arch: &str,
        mutant: &Mutant,
        control: &Control,
    ) -> Result<Verdict, TrialError> {
        if !control.expressions.contains(&mutant.expression()) {
            return Ok(Verdict::NotReached { tests: 0 });
        }
        let reached = self
            .directory
            .join(format!("reached-{arch}-{}", mutant.name));
        remove(&reached)?;
        let switch = Some((mutant.name.as_str(), reached.as_path()));
        let run = self.run(arch, &mutant.name, &[mutant.expression()], switch)?;
        Ok(score::judge(&run, control, reached.exists()))
    }

    /// Runs the tests of some expressions.
    fn run(
        &self,
        arch: &str,
        name: &str,
        expressions: &[String],
        switch: Option<(&str, &Utf8Path)>,
    ) -> Result<RunReport, TrialError> {
        let file = self.directory.join(format!("{arch}-{name}.json"));
        let log = file.with_extension("log");
        remove(&file)?;
        let output = fs::File::create(&log)?.into_parts().0;
        let mut command = Command::new(self.xtask)
            .arg("test")
            .arg(format!("--arch={arch}"))
            .arg(format!("--qemu={}", self.qemu))
            .arg(format!("--seed={}", self.seed))
            .arg(format!("--report=json={file}"))
            .arg(format!("--runs={}", self.directory.join("runs")))
            .args(self.flags)
            .stdout(Stdio::Fd(output.try_clone()?.into()))
            .stderr(Stdio::Fd(output.into()))
            .current_dir(self.root);
        if !self.all_tests {
            let expressions = expressions.iter();
            command = command.args(expressions.map(|text| format!("--filter-expr={text}")));
        }
        if let Some((mutant, reached)) = switch {
            command = command
                .arg("--fail-fast")
                .env("KILN_MUTANT", mutant)
                .env("KILN_MUTANT_REACHED", reached);
        } else {
            command = command.arg("--no-fail-fast");
        }
        command.run(LIMIT)?;
        if file.exists() {
            return Ok(serde_json::from_str(&fs::read_to_string(&file)?)?);
        }
        let text = fs::read_to_string(&log)?;
        let error = text.lines().find(|line| line.starts_with("error"));
        let message = error.or(text.lines().last()).unwrap_or_default().to_owned();
        Err(TrialError::NoReport { log, message })
    }
}

fn remove(file: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
