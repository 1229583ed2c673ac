//! Runs the tests of a mutant: `cargo xtask test` with the switch set, and reads its JSON report.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::process::{Command, ProcessError, Stdio};
use serde::Deserialize;
use verdict::event::{RunReport, TestReport};

use crate::score::{self, Control};
use crate::set::Mutant;

/// Tests end long before: they have limits of their own.
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
    /// Options of `test`: accelerator, network and so on.
    pub flags: &'a [String],
    /// The seed of all choices, the same for the control run and the mutants.
    pub seed: u64,
    /// Whether every test runs for each mutant.
    pub all_tests: bool,
    /// An expression that all tests match.
    pub filter: Option<&'a str>,
    /// Whether results of an earlier run count.
    pub resume: bool,
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
    /// The filter is not an expression, or names what no test has.
    #[error("failed to select tests with `{0}`: see `cargo xtask test --list -E`")]
    Expression(String),
    /// The run ended without a report.
    #[error("failed to run the tests, see `{log}`: {message}")]
    NoReport {
        /// The log of the run.
        log: Utf8PathBuf,
        /// The first error in the log, or its last line.
        message: String,
    },
}

/// A test of the list of `test --list`.
#[derive(Deserialize)]
struct Listed {
    name: String,
}

impl Runner<'_> {
    /// The tests that match the filter; none without a filter.
    pub fn selected(&self, arch: &str) -> Result<Option<BTreeSet<String>>, TrialError> {
        let Some(filter) = self.filter else {
            return Ok(None);
        };
        let names = self.list(arch, filter)?;
        let names = names.ok_or_else(|| TrialError::Expression(filter.to_owned()))?;
        Ok(Some(names.into_iter().collect()))
    }

    /// The names of a mutant's tests; none if no test declares its device.
    pub fn tests_of(&self, arch: &str, mutant: &Mutant) -> Result<Vec<String>, TrialError> {
        let own = if self.all_tests {
            "all()".to_owned()
        } else {
            mutant.expression()
        };
        Ok(self.list(arch, &own)?.unwrap_or_default())
    }

    /// The tests that an expression selects; none if it is not valid: a name that no test has is an error.
    fn list(&self, arch: &str, expression: &str) -> Result<Option<Vec<String>>, TrialError> {
        const NONE_SELECTED: i32 = 4;
        let output = Command::new(self.xtask)
            .args(["test", "--list", "--offline", "--message-format=json"])
            .arg(format!("--arch={arch}"))
            .arg(format!("--filter-expr={expression}"))
            .current_dir(self.root)
            .output(LIMIT)?;
        if output.status.code() == Some(NONE_SELECTED) {
            return Ok(Some(Vec::new()));
        }
        if !output.status.success() {
            return Ok(None);
        }
        let listed = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Listed>();
        let names: Result<Vec<String>, _> = listed.map(|listed| Ok(listed?.name)).collect();
        names.map(Some)
    }

    /// Runs a test without a mutant. Returns how it ended, and the mutants whose statements it reached.
    pub fn control(&self, test: &str) -> Result<Control, TrialError> {
        let (report, reached) = self.run(test, None)?;
        Ok(Control::of(&report, reached))
    }

    /// Runs a test with a mutant.
    pub fn mutant(&self, test: &str, mutant: &Mutant) -> Result<TestReport, TrialError> {
        Ok(self.run(test, Some(&mutant.name))?.0)
    }

    /// The failure of a test with a mutant in an earlier run, if such results count.
    pub fn earlier_failure(
        &self,
        test: &str,
        mutant: &Mutant,
    ) -> Result<Option<TestReport>, TrialError> {
        let earlier = self.earlier(test, Some(&mutant.name))?;
        let report = earlier.map(|(report, _)| report);
        Ok(report.filter(score::is_failure))
    }

    /// The result of an earlier run, if such results count.
    fn earlier(
        &self,
        test: &str,
        mutant: Option<&str>,
    ) -> Result<Option<(TestReport, BTreeSet<String>)>, TrialError> {
        let file = self.report(test, mutant);
        let json = match fs::read_to_string(&file) {
            Ok(json) if self.resume => json,
            _ => return Ok(None),
        };
        let report = read(&json, test, &file.with_extension("log"))?;
        // A test that fails without a mutant runs again: its cause may be gone. So does one that did not end.
        let is_result = !report.outcome.is_infrastructure();
        if is_result && (mutant.is_some() || !score::is_failure(&report)) {
            return Ok(Some((report, read_marks(&file.with_extension("reached"))?)));
        }
        Ok(None)
    }

    /// The file with the report of a test.
    fn report(&self, test: &str, mutant: Option<&str>) -> Utf8PathBuf {
        let directory = self.directory.join(mutant.unwrap_or("control"));
        directory.join(test.replace("::", ".") + ".json")
    }

    /// Runs a test, or takes the result of an earlier run.
    fn run(
        &self,
        test: &str,
        mutant: Option<&str>,
    ) -> Result<(TestReport, BTreeSet<String>), TrialError> {
        if let Some(earlier) = self.earlier(test, mutant)? {
            return Ok(earlier);
        }
        let file = self.report(test, mutant);
        let (log, marks) = (file.with_extension("log"), file.with_extension("reached"));
        fs::create_dir_all(file.parent().unwrap_or(self.directory))?;
        remove(&file)?;
        remove(&marks)?;
        // A saved guest of the QEMU without a mutant would hide what the mutant does in a boot.
        let start = if mutant.is_some() { "cold" } else { "warm" };
        let output = fs::File::create(&log)?.into_parts().0;
        let mut command = Command::new(self.xtask)
            .args(["test", "--jobs=1"])
            .arg(format!(
                "--arch={}",
                test.split("::").next().unwrap_or(test)
            ))
            .arg(format!("--filter-expr=test(={test})"))
            .arg(format!("--qemu={}", self.qemu))
            .arg(format!("--seed={}", self.seed))
            .arg(format!("--start={start}"))
            .arg(format!("--report=json={file}"))
            .arg(format!("--runs={}", self.directory.join("runs")))
            .args(self.flags)
            .env("KILN_MUTANT_REACHED", &marks)
            .stdout(Stdio::Fd(output.try_clone()?.into()))
            .stderr(Stdio::Fd(output.into()))
            .current_dir(self.root);
        if let Some(name) = mutant {
            command = command.env("KILN_MUTANT", name);
        }
        command.run(LIMIT)?;
        if !file.exists() {
            return Err(no_report(&log)?);
        }
        let report = read(&fs::read_to_string(&file)?, test, &log)?;
        // Neither caught nor survived: the host failed, or the run was interrupted.
        if report.outcome.is_infrastructure() {
            return Err(no_report(&log)?);
        }
        Ok((report, read_marks(&marks)?))
    }
}

/// The result of a test in the report of its run.
fn read(json: &str, test: &str, log: &Utf8Path) -> Result<TestReport, TrialError> {
    let run: RunReport = serde_json::from_str(json)?;
    let mut tests = run.tests.into_iter();
    match tests.find(|it| it.name == test) {
        Some(report) => Ok(report),
        None => Err(no_report(log)?),
    }
}

fn no_report(log: &Utf8Path) -> io::Result<TrialError> {
    let text = fs::read_to_string(log)?;
    let error = text.lines().find(|line| line.starts_with("error"));
    let message = error.or(text.lines().last()).unwrap_or_default().to_owned();
    let log = log.to_owned();
    Ok(TrialError::NoReport { log, message })
}

fn read_marks(file: &Utf8Path) -> io::Result<BTreeSet<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

fn remove(file: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
