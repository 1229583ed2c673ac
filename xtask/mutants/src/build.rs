//! Configures and compiles the edited copy. A mutant that does not compile is reported and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::process::{Command, ProcessError, Stdio};

use crate::edit::MARK;
use crate::set::Mutant;
use crate::tree::{self, TreeError};

/// QEMU compiles in minutes, or in hours on a slow machine.
const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);
/// Options that `configure` always gets: an edited function may have unused variables.
const CONFIGURE: [&str; 1] = ["--disable-werror"];

/// What to compile, and where.
#[derive(Debug, Clone)]
pub struct Recipe<'a> {
    /// QEMU's source tree, which is only read.
    pub source: &'a Utf8Path,
    /// The directory of the edited copy and the build.
    pub directory: &'a Utf8Path,
    /// Further options of `configure`.
    pub configure: &'a [String],
    /// The programs, such as `qemu-system-x86_64`.
    pub programs: &'a [String],
    /// Compiler processes at a time.
    pub jobs: usize,
}

impl Recipe<'_> {
    /// The directory with the programs.
    #[must_use]
    pub fn output(&self) -> Utf8PathBuf {
        self.directory.join("build")
    }
}

/// Why QEMU cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The source cannot be copied.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A program cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file cannot be written.
    #[error("failed to write the build directory")]
    Io(#[from] io::Error),
    /// A step failed.
    #[error("failed to {step} QEMU: see `{log}`")]
    Failed {
        /// `configure` or `compile`.
        step: &'static str,
        /// Its output.
        log: Utf8PathBuf,
    },
}

/// Mutants without a result, by name, with the reason.
pub type LeftOut = BTreeMap<String, String>;

/// Compiles QEMU with the mutants. Returns those that are not in it.
pub fn build(recipe: &Recipe<'_>, mutants: &[Mutant]) -> Result<LeftOut, BuildError> {
    let mut left_out = LeftOut::new();
    loop {
        let fitting = mutants
            .iter()
            .filter(|mutant| !left_out.contains_key(&mutant.name));
        let fitting: Vec<&Mutant> = fitting.collect();
        let misfits = tree::prepare(recipe.source, &recipe.directory.join("src"), &fitting)?;
        let misfits = misfits.into_iter();
        left_out.extend(misfits.map(|(name, misfit)| (name, misfit.to_string())));
        configure(recipe)?;
        let log = recipe.directory.join("compile.log");
        let jobs = format!("-j{}", recipe.jobs);
        let make = Command::new("make")
            .args([&jobs, "-k"])
            .args(recipe.programs);
        if run(make, &recipe.output(), &log)? {
            return Ok(left_out);
        }
        let faulty = errors(&fs::read_to_string(&log)?);
        if faulty.is_empty() {
            return Err(BuildError::Failed {
                step: "compile",
                log,
            });
        }
        left_out.extend(faulty);
    }
}

/// Configures the build, unless it was configured with the same options and has the targets.
fn configure(recipe: &Recipe<'_>) -> Result<(), BuildError> {
    let output = recipe.output();
    let stamp = recipe.directory.join("configured");
    let command = Command::new("../src/configure")
        .args(CONFIGURE)
        .args(recipe.configure);
    let options = command.shell_line();
    let mut targets: BTreeSet<String> = recipe
        .programs
        .iter()
        .filter_map(|program| program.strip_prefix("qemu-system-"))
        .map(|name| format!("{name}-softmmu"))
        .collect();
    // The first line of the stamp has the targets, the second one the options.
    let present = fs::read_to_string(&stamp).unwrap_or_default();
    if let Some((present, same)) = present.split_once('\n')
        && same == options
    {
        let present: BTreeSet<String> = present.split(',').map(str::to_owned).collect();
        if output.is_dir() && targets.is_subset(&present) {
            return Ok(());
        }
        targets.extend(present);
    }
    let targets = targets.into_iter().collect::<Vec<_>>().join(",");
    fs::create_dir_all(&output)?;
    let log = recipe.directory.join("configure.log");
    if !run(
        command.arg(format!("--target-list={targets}")),
        &output,
        &log,
    )? {
        return Err(BuildError::Failed {
            step: "configure",
            log,
        });
    }
    Ok(fs::write(&stamp, format!("{targets}\n{options}"))?)
}

/// Runs a command with its output in `log`; returns whether it succeeded.
fn run(command: Command, directory: &Utf8Path, log: &Utf8Path) -> Result<bool, BuildError> {
    let file = fs::File::create(log)?.into_parts().0;
    let status = command
        .current_dir(directory)
        .without_secrets()
        .stdout(Stdio::Fd(file.try_clone()?.into()))
        .stderr(Stdio::Fd(file.into()))
        .run(LIMIT)?;
    Ok(status.success())
}

/// The mutants that a compiler's errors are about, with the first error of each.
fn errors(log: &str) -> LeftOut {
    let mut found = LeftOut::new();
    for line in log.lines() {
        let Some((_, rest)) = line.split_once(MARK) else {
            continue;
        };
        let Some((name, rest)) = rest.split_once(':') else {
            continue;
        };
        if let Some((_, error)) = rest.split_once("error: ") {
            let entry = found.entry(name.to_owned());
            entry.or_insert_with(|| format!("does not compile: {error}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_errors_name_their_mutant() {
        let log = "\
mutant:one: In function 'flush':
mutant:one:3:12: error: 'x' undeclared (first use in this function)
mutant:one:4:12: error: another
mutant:two:3:12: warning: unused variable
../src/hw/disk.c:7:1: error: of QEMU itself
";
        let expect = (
            "one",
            "does not compile: 'x' undeclared (first use in this function)",
        );
        let found = errors(log);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, why)| (&**name, &**why)).collect();
        assert_eq!(found, [expect]);
    }
}
