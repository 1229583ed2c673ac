//! Where a run keeps its things: a numbered folder that stays, and a scratch folder that goes.

use std::io;
use std::path::Path;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::scratch::Scratch;

use crate::event::RunReport;

/// Start of the names of scratch folders.
const PREFIX: &str = "kiln-run-";
/// Held as long as the folder that it lies in is in use; the system lets go of it when a run is killed.
const LOCK: &str = "lock";
/// A younger scratch folder without a lock may be about to get one.
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
    _locks: [fs_err::File; 2],
}

impl Place {
    /// Makes both, and removes what earlier runs left.
    pub(super) fn prepare(runs: &Utf8Path, temp: &Utf8Path, keep: usize) -> io::Result<Self> {
        fs_err::create_dir_all(runs)?;
        // One run after the other takes its number and prunes: none sees another's folder unlocked.
        let turn = fs_err::File::create(runs.join(LOCK))?;
        turn.file().lock()?;
        let run_dir = next_run(runs)?;
        let running = locked(&run_dir)?;
        prune(runs, keep.max(1))?;
        drop(turn);
        sweep(temp);
        let scratch = Scratch::new_in(temp, PREFIX)?;
        let lock = locked(scratch.path())?;
        Ok(Self {
            run_dir,
            scratch,
            _locks: [running, lock],
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

/// Locks a folder. The lock gets its name when it is held, so no lock with that name is a fresh one.
fn locked(folder: &Utf8Path) -> io::Result<fs_err::File> {
    let fresh = folder.join(".lock");
    let lock = fs_err::File::create(&fresh)?;
    lock.file().lock()?;
    fs_err::rename(&fresh, folder.join(LOCK))?;
    Ok(lock)
}

/// Whether the lock of a folder is there, and whether somebody holds it.
fn is_held(folder: &Path) -> Option<bool> {
    let lock = fs_err::File::open(folder.join(LOCK)).ok()?;
    Some(lock.file().try_lock().is_err())
}

/// A folder with the next number.
fn next_run(runs: &Utf8Path) -> io::Result<Utf8PathBuf> {
    let number = runs_in(runs)?.last().map_or(1, |last| last + 1);
    let path = runs.join(number.to_string());
    fs_err::create_dir(&path)?;
    Ok(path)
}

/// Removes all but the last runs, and no run that still goes on.
fn prune(runs: &Utf8Path, keep: usize) -> io::Result<()> {
    let numbers = runs_in(runs)?;
    for number in &numbers[..numbers.len().saturating_sub(keep)] {
        let folder = runs.join(number.to_string());
        if is_held(folder.as_std_path()) != Some(true) {
            fs_err::remove_dir_all(folder)?;
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
        let settled = || {
            let age = entry.metadata().and_then(|data| data.modified()).ok();
            let age = age.and_then(|time| host::clock::now().duration_since(time).ok());
            age.is_some_and(|age| age > SETTLED)
        };
        if !is_held(&entry.path()).unwrap_or_else(|| !settled()) {
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
    fn a_run_that_goes_on_is_not_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        let long = Place::prepare(&runs, root, 1).unwrap();
        for _ in 0..2 {
            Place::prepare(&runs, root, 1).unwrap();
        }
        assert_eq!(runs_in(&runs).unwrap(), [1, 3]);
        assert!(long.scratch().exists());
        drop(long);
        Place::prepare(&runs, root, 1).unwrap();
        assert_eq!(runs_in(&runs).unwrap(), [4]);
    }

    #[test]
    fn runs_that_start_at_once_get_a_number_each() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let runs = root.join("runs");
        let places: Vec<Place> = std::thread::scope(|scope| {
            let one = || Place::prepare(&runs, root, 1).unwrap();
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(runs_in(&runs).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(places.iter().all(|place| place.scratch().exists()));
    }

    #[test]
    fn scratch_folders_of_killed_runs_are_removed_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let folder = |name: &str| {
            let path = root.join(name);
            fs_err::create_dir(&path).unwrap();
            path
        };
        let (killed, running) = (folder("kiln-run-killed"), folder("kiln-run-running"));
        drop(locked(&killed).unwrap());
        let lock = locked(&running).unwrap();
        let (old, young) = (folder("kiln-run-old"), folder("kiln-run-young"));
        let hour_ago = host::clock::now() - Duration::from_secs(3600);
        let file = fs_err::File::open(&old).unwrap();
        file.file().set_modified(hour_ago).unwrap();
        let other = folder("kiln-other");
        drop(locked(&other).unwrap());
        sweep(root);
        assert_eq!(
            [&killed, &running, &old, &young, &other].map(|path| path.exists()),
            [false, true, false, true, true]
        );
        drop(lock);
        sweep(root);
        assert!(!running.exists());
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
