//! The directories of a run: a numbered folder that is kept, and a scratch folder that is removed.

use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::interrupt;
use host::scratch::{self, Scratch};
use host::wait::{self, Limit};

use crate::event::RunReport;
use crate::report::json;
use crate::runs::stored;

/// Held while a run takes its number.
const TURN: &str = "lock";
/// The link to the newest run.
const LATEST: &str = "latest";
/// How long a run waits for its number. Others hold the lock while they remove old runs.
const TURN_LIMIT: Duration = Duration::from_secs(5 * 60);
/// Maximum length of a socket's path, including the terminating zero (`unix(7)`).
const SOCKET_PATH_MAX: usize = 108;
/// Maximum length of a socket's name below the temporary directory.
const SOCKET_TAIL: usize = 40;

/// The folder for sockets and scratch files: the first candidate whose name is short enough.
#[must_use]
pub fn temp_dir(env: &host::env::Env) -> Utf8PathBuf {
    let candidates = [Some(env.temp_dir.clone()), env.runtime_dir.clone()];
    let short = |path: &Utf8PathBuf| path.as_str().len() + SOCKET_TAIL < SOCKET_PATH_MAX;
    candidates
        .into_iter()
        .flatten()
        .find(short)
        .unwrap_or_else(|| Utf8PathBuf::from("/tmp"))
}

/// Why the directories of a run could not be created.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The directory of runs is missing, read-only or full.
    #[error("failed to keep the files of the run in `{path}` (`--runs`)")]
    Runs {
        /// The directory of runs, or of the run.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The temporary directory is missing, read-only or full.
    #[error("failed to make a scratch directory in `{path}` (`TMPDIR`)")]
    Temporary {
        /// The temporary directory.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RunDirError {
    fn runs(path: &Utf8Path) -> impl Fn(io::Error) -> Self {
        |source| Self::Runs {
            path: path.to_owned(),
            source,
        }
    }

    /// The command or advice that fixes the error.
    #[must_use]
    pub fn hint(&self) -> String {
        let (source, other) = match self {
            Self::Runs { source, .. } => (source, "use another directory: --runs DIR"),
            Self::Temporary { source, .. } => (source, "use another directory: TMPDIR=/var/tmp"),
        };
        if source.kind() == io::ErrorKind::StorageFull {
            format!("free some space, or {other}")
        } else {
            other.to_owned()
        }
    }
}

/// Creates a scratch directory below the temporary directory.
pub fn scratch(temp: &Utf8Path, word: &str) -> Result<Scratch, RunDirError> {
    Scratch::new_in(temp, word).map_err(|source| RunDirError::Temporary {
        path: temp.to_owned(),
        source,
    })
}

/// The folders of a run.
#[derive(Debug)]
pub struct RunDir {
    /// Logs and reports.
    pub run_dir: Utf8PathBuf,
    scratch: Scratch,
    _lock: fs_err::File,
}

impl RunDir {
    /// Creates both folders and removes old runs.
    pub fn prepare(runs: &Utf8Path, temp: &Utf8Path, keep: usize) -> Result<Self, RunDirError> {
        let (run_dir, lock) = numbered(runs, keep).map_err(RunDirError::runs(runs))?;
        scratch::sweep(temp);
        Ok(Self {
            run_dir,
            scratch: scratch(temp, "run")?,
            _lock: lock,
        })
    }

    /// The scratch folder, removed on drop.
    #[must_use]
    pub fn scratch(&self) -> &Utf8Path {
        self.scratch.path()
    }
}

/// Stores a report next to the logs.
pub fn write_report(report: &RunReport) -> Result<(), RunDirError> {
    let dir = &report.run_dir;
    json::document(report)
        .map_err(io::Error::from)
        .and_then(|text| host::files::write(&dir.join(stored::FILE), text.as_bytes()))
        .map_err(RunDirError::runs(dir))
}

/// Creates and locks the folder with the next number and removes old ones.
fn numbered(runs: &Utf8Path, keep: usize) -> io::Result<(Utf8PathBuf, fs_err::File)> {
    fs_err::create_dir_all(runs)?;
    let _turn = turn(runs)?;
    let run_dir = next_run(runs)?;
    let lock = scratch::lock_in(run_dir.as_std_path())?;
    link_latest(runs, &run_dir)?;
    prune(runs, keep.max(1))?;
    Ok((run_dir, lock))
}

/// Points the link `latest` to a run, for people and scripts. Does nothing on a file system without
/// links.
fn link_latest(runs: &Utf8Path, run_dir: &Utf8Path) -> io::Result<()> {
    let (link, staged) = (runs.join(LATEST), runs.join(".latest"));
    let is_absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if let Err(error) = fs_err::remove_file(&staged)
        && !is_absent(&error)
    {
        return Err(error);
    }
    let number = run_dir.file_name().unwrap_or_default();
    match fs_err::os::unix::fs::symlink(number, &staged) {
        Ok(()) => fs_err::rename(staged, link),
        Err(error) if has_no_links(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the file system does not support links. FAT and others refuse them with `EPERM`
/// (`symlink(2)`).
fn has_no_links(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported];
    kinds.contains(&error.kind())
}

/// Creates a folder for a run that was made elsewhere.
pub(crate) fn number(runs: &Utf8Path) -> io::Result<Utf8PathBuf> {
    fs_err::create_dir_all(runs)?;
    let _turn = turn(runs)?;
    next_run(runs)
}

/// Only one run at a time takes a number and prunes, so that none sees another's folder unlocked.
fn turn(runs: &Utf8Path) -> io::Result<fs_err::File> {
    let turn = scratch::open_lock(runs.join(TURN).as_std_path())?;
    let limit = Limit::within(TURN_LIMIT).or_if(&interrupt::is_pending);
    let locked = wait::poll(limit, || match turn.file().try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => Some(Err(error)),
        Ok(()) => Some(Ok(())),
    });
    locked.unwrap_or_else(|_| {
        interrupt::check().map_err(io::Error::other)?;
        let message = format!("waited {} s for `{runs}/{TURN}`", TURN_LIMIT.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })?;
    Ok(turn)
}

/// The numbers of the runs, oldest first.
pub(super) fn runs_in(runs: &Utf8Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs_err::read_dir(runs)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Creates the folder with the next number.
fn next_run(runs: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let number = runs_in(runs)?.last().map_or(1, |last| last + 1);
    let path = runs.join(number.to_string());
    // With any umask, other users cannot write where QEMU will.
    std::fs::DirBuilder::new().mode(0o755).create(&path)?;
    Ok(path)
}

/// Removes all but the last runs and those that are still running. A folder with a number as its
/// name, but without a run's lock or report, is not a run.
fn prune(runs: &Utf8Path, keep: usize) -> io::Result<()> {
    let numbers = runs_in(runs)?;
    for number in &numbers[..numbers.len().saturating_sub(keep)] {
        let folder = runs.join(number.to_string());
        let is_run = match scratch::is_locked(folder.as_std_path()) {
            Some(is_running) => !is_running,
            None => folder.join(stored::FILE).is_file(),
        };
        if is_run {
            fs_err::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_and_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        for number in 1..=5 {
            let place = RunDir::prepare(&runs, root, 3).unwrap();
            assert_eq!(place.run_dir, runs.join(number.to_string()));
            assert!(place.scratch().exists());
        }
        assert_eq!(runs_in(&runs).unwrap(), [3, 4, 5]);
        let latest = fs_err::read_link(runs.join(LATEST)).unwrap();
        assert_eq!(latest.to_str(), Some("5"));
        let left: Vec<_> = fs_err::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["runs"]);
    }

    #[test]
    fn active_run_is_not_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        let long = RunDir::prepare(&runs, root, 1).unwrap();
        for _ in 0..2 {
            RunDir::prepare(&runs, root, 1).unwrap();
        }
        assert_eq!(runs_in(&runs).unwrap(), [1, 3]);
        assert!(long.scratch().exists());
        drop(long);
        RunDir::prepare(&runs, root, 1).unwrap();
        assert_eq!(runs_in(&runs).unwrap(), [4]);
    }

    #[test]
    fn folders_that_are_not_runs_are_not_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let photos = root.join("2");
        fs_err::create_dir(&photos).unwrap();
        fs_err::write(photos.join("photo"), "x").unwrap();
        for _ in 0..3 {
            RunDir::prepare(root, root, 1).unwrap();
        }
        assert_eq!(runs_in(root).unwrap(), [2, 5]);
    }

    #[test]
    fn concurrent_runs_get_distinct_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        let places: Vec<RunDir> = std::thread::scope(|scope| {
            let one = || RunDir::prepare(&runs, root, 1).unwrap();
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(runs_in(&runs).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(places.iter().all(|place| place.scratch().exists()));
    }

    #[test]
    fn unusable_directory_is_named_with_its_option() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let (file, missing) = (root.join("file"), root.join("missing"));
        fs_err::write(&file, "").unwrap();
        let check = |runs: &Utf8Path, temp: &Utf8Path, names: &Utf8Path, option: &str| {
            let error = RunDir::prepare(runs, temp, 1).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(&format!("`{names}` (`{option}`)")),
                "{message}"
            );
            assert!(error.hint().contains(option), "{}", error.hint());
        };
        check(&file, root, &file, "--runs");
        check(&root.join("runs"), &missing, &missing, "TMPDIR");
        check(&root.join("runs"), &file, &file, "TMPDIR");
    }

    #[test]
    fn sockets_fit_into_the_temporary_directory() {
        let check = |temp: &str, runtime: Option<&str>, expect: &str| {
            let env = host::env::Env {
                temp_dir: temp.into(),
                runtime_dir: runtime.map(Utf8PathBuf::from),
                ..host::env::Env::default()
            };
            assert_eq!(temp_dir(&env), expect);
        };
        check("/var/tmp", Some("/run/user/1000"), "/var/tmp");
        check(
            &"/long".repeat(20),
            Some("/run/user/1000"),
            "/run/user/1000",
        );
        check(&"/long".repeat(20), None, "/tmp");
    }
}
