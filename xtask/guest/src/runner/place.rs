//! Where a run keeps its things: a numbered folder that stays, and a scratch folder that goes.

use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::scratch::Scratch;

use crate::event::RunReport;

/// Start of the names of scratch folders.
const PREFIX: &str = "kiln-run-";
/// Its lock tells later runs that the folder is in use.
const LOCK: &str = "lock";
/// A younger scratch folder may be about to get its lock.
const SETTLED: Duration = Duration::from_secs(60);
/// Longest path of a socket, with the closing zero (`unix(7)`).
const SOCKET_PATH_MAX: usize = 108;
/// What is added to the temporary directory to name a socket, at most.
const SOCKET_TAIL: usize = 40;

/// The folder for sockets and scratch files: the first of these whose name is short enough.
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

/// The folders of a run.
#[derive(Debug)]
pub(super) struct Place {
    /// Logs and reports.
    pub(super) run_dir: Utf8PathBuf,
    scratch: Scratch,
    _lock: fs_err::File,
}

impl Place {
    /// Makes both, and removes what earlier runs left.
    pub(super) fn prepare(runs: &Utf8Path, temp: &Utf8Path, keep: usize) -> io::Result<Self> {
        fs_err::create_dir_all(runs)?;
        let run_dir = next_run(runs)?;
        prune(runs, keep.max(1))?;
        sweep(temp);
        let scratch = Scratch::new_in(temp, PREFIX)?;
        let lock = fs_err::File::create(scratch.path().join(LOCK))?;
        lock.file().lock()?;
        Ok(Self {
            run_dir,
            scratch,
            _lock: lock,
        })
    }

    /// Gone when this is dropped.
    pub(super) fn scratch(&self) -> &Utf8Path {
        self.scratch.path()
    }

    /// Keeps the report beside the logs, and names the run as the latest.
    pub(super) fn keep(&self, report: &RunReport) -> io::Result<()> {
        let text = serde_json::to_string_pretty(report)?;
        fs_err::write(self.run_dir.join("report.json"), text + "\n")
    }
}

/// The numbers of the runs, oldest first.
fn runs_in(runs: &Utf8Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs_err::read_dir(runs)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A folder with the next number; several runs may ask at once.
fn next_run(runs: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let mut number = runs_in(runs)?.last().map_or(1, |last| last + 1);
    loop {
        let path = runs.join(number.to_string());
        match fs_err::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn prune(runs: &Utf8Path, keep: usize) -> io::Result<()> {
    let numbers = runs_in(runs)?;
    for number in &numbers[..numbers.len().saturating_sub(keep)] {
        match fs_err::remove_dir_all(runs.join(number.to_string())) {
            // Another run was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

/// Removes scratch folders whose runs were killed. What cannot be removed harms nobody.
fn sweep(temp: &Utf8Path) {
    let Ok(entries) = fs_err::read_dir(temp) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let age = entry.metadata().and_then(|data| data.modified()).ok();
        let age = age.and_then(|time| host::clock::now().duration_since(time).ok());
        let lock = fs_err::File::open(entry.path().join(LOCK));
        if age.is_some_and(|age| age > SETTLED)
            && lock.is_ok_and(|lock| lock.file().try_lock().is_ok())
        {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_numbered_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        for number in 1..=5 {
            let place = Place::prepare(&runs, root, 3).unwrap();
            assert_eq!(place.run_dir, runs.join(number.to_string()));
            assert!(place.scratch().join(LOCK).exists());
        }
        assert_eq!(runs_in(&runs).unwrap(), [3, 4, 5]);
        let left: Vec<_> = fs_err::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["runs"]);
    }

    #[test]
    fn scratch_folders_of_killed_runs_are_removed_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let folder = |name: &str, age: Duration| {
            let path = root.join(name);
            fs_err::create_dir(&path).unwrap();
            let lock = fs_err::File::create(path.join(LOCK)).unwrap();
            let file = fs_err::File::open(&path).unwrap();
            file.file().set_modified(host::clock::now() - age).unwrap();
            (path, lock)
        };
        let old = Duration::from_secs(3600);
        let (killed, _) = folder("kiln-run-a", old);
        let (running, lock) = folder("kiln-run-b", old);
        lock.file().lock().unwrap();
        let (young, _) = folder("kiln-run-c", Duration::ZERO);
        let (other, _) = folder("kiln-other", old);
        sweep(root);
        assert_eq!(
            [&killed, &running, &young, &other].map(|path| path.exists()),
            [false, true, true, true]
        );
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
