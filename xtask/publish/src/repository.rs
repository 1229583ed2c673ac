//! The published repository: the files in git, the commit and the crates.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, ProcessError};

/// Time limit of git and cargo.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Why the repository cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// Files differ from the commit.
    #[error("the repository has uncommitted changes: {}", .0.join(", "))]
    Dirty(Vec<String>),
    /// A program could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// git failed.
    #[error("failed to run git: {0}")]
    Git(String),
    /// Cargo has not downloaded all crates.
    #[error("failed to collect the crates: {0}")]
    Crates(String),
}

impl RepositoryError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dirty(_) => Some("git commit --all, or publish with --allow-dirty".to_owned()),
            Self::Process(error) => error.hint(),
            Self::Crates(_) => Some("cargo fetch --locked".to_owned()),
            Self::Git(_) => Some("publish from a git checkout".to_owned()),
        }
    }
}

/// The files of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its directory.
    pub root: Utf8PathBuf,
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Its files.
    pub files: Vec<RepositoryFile>,
}

/// A file in git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFile {
    /// Path in the repository.
    pub path: String,
    /// The type.
    pub kind: Kind,
}

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Plain,
    /// A program.
    Executable,
    /// A symbolic link.
    Link,
}

impl Repository {
    /// Reads the repository. Refuses uncommitted changes unless it `may_be_dirty`.
    pub fn read(root: &Utf8Path, may_be_dirty: bool) -> Result<Self, RepositoryError> {
        let git = |arguments: &[&str]| {
            run(
                Command::new("git").args(arguments).current_dir(root),
                RepositoryError::Git,
            )
        };
        let changed = git(&["status", "--porcelain"])?;
        if !changed.is_empty() && !may_be_dirty {
            let names = changed.lines().filter_map(|line| line.get(3..));
            return Err(RepositoryError::Dirty(names.map(str::to_owned).collect()));
        }
        let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
        let listed = git(&["ls-files", "--stage", "-z"])?;
        // `<mode> <object> <stage>\t<path>`
        let file = |line: &str| {
            let (facts, path) = line.split_once('\t')?;
            let kind = match facts.get(..6)? {
                "120000" => Kind::Link,
                "100755" => Kind::Executable,
                _ => Kind::Plain,
            };
            let path = path.to_owned();
            // A file may have been removed without a commit.
            let there = root.join(&path).symlink_metadata().is_ok();
            there.then_some(RepositoryFile { path, kind })
        };
        Ok(Self {
            root: root.to_owned(),
            commit,
            files: listed.split('\0').filter_map(file).collect(),
        })
    }
}

/// Writes the crates of the lock file to `folder`, from cargo's downloads.
pub fn vendor(root: &Utf8Path, cargo: &Utf8Path, folder: &Utf8Path) -> Result<(), RepositoryError> {
    let arguments = [
        "vendor",
        "--quiet",
        "--locked",
        "--offline",
        "--versioned-dirs",
    ];
    let command = Command::new(cargo)
        .args(arguments)
        .arg(folder)
        .current_dir(root);
    run(command, RepositoryError::Crates).map(drop)
}

pub(crate) fn run(
    command: Command,
    failed: impl Fn(String) -> RepositoryError,
) -> Result<String, RepositoryError> {
    let output = command.output(LIMIT)?;
    if output.status.success() {
        return Ok(output.stdout_text());
    }
    Err(failed(output.stderr_text().trim().replace('\n', " ")))
}
