//! Temporary directories and lock files, private to the user. `Drop` or a second Ctrl-C removes
//! them with their content. If their run was killed, the [`sweep`] of a later run removes them.
//!
//! All users share the temporary directory. The sweep therefore removes only directories that Kiln
//! made for this user, and opens only regular files of this user.

use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use crate::interrupt;

/// Prefix of every name.
const PREFIX: &str = "kiln-";
/// Number of random letters and digits at the end of every name.
const RANDOM: usize = 6;
/// The lock file, held while the directory is in use. The system releases the lock if the run is
/// killed.
const LOCK: &str = ".lock";
/// The name of the lock file until the lock is held.
const FRESH: &str = ".lock-new";
/// A younger directory without a lock may be about to get one.
const SETTLED: Duration = Duration::from_secs(60);
/// First line of the lock of a scratch directory. The directory's own name follows, so that the
/// lock of a copied or renamed directory does not match it.
const SCRATCH: &str = "Kiln scratch directory, removed when its run is over";
/// First line of the lock of any other directory.
const LOCKED: &str = "Kiln lock";
/// Maximum size of a lock file in bytes.
const LONGEST: u64 = 512;

/// A private directory (mode 0700), removed with its content when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: Utf8PathBuf,
    kept: bool,
    _lock: fs_err::File,
}

impl Scratch {
    /// Creates a directory in `parent`, named `kiln-`, `word`, and a random suffix.
    pub fn new_in(parent: &Utf8Path, word: &str) -> io::Result<Self> {
        // Until it has its lock, its own destructor removes it.
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{word}-"))
            .rand_bytes(RANDOM)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        // The umask may have cleared bits that the owner needs.
        fs_err::set_permissions(directory.path(), Permissions::from_mode(0o700))?;
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned())
            .map_err(|path| io::Error::other(format!("`{}` is not UTF-8", path.display())))?;
        let lock = lock_with(directory.path(), &content(SCRATCH, directory.path()))?;
        let _ = directory.keep();
        interrupt::add_directory(path.as_std_path());
        Ok(Self {
            path,
            kept: false,
            _lock: lock,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Keeps the directory, for example with the logs of a failed test.
    #[must_use]
    pub fn keep(mut self) -> Utf8PathBuf {
        self.kept = true;
        // Without its lock no sweep considers it a leftover.
        let _ = fs_err::remove_file(self.path.join(LOCK));
        self.path.clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // The next run removes what could not be removed now.
            let _ = fs_err::remove_dir_all(&self.path);
        }
        interrupt::forget_directory(self.path.as_std_path());
    }
}

/// Creates a directory that only this user can enter (mode 0700), and its missing parents.
pub fn create_private(directory: &Utf8Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(directory)
}

/// Sets the umask so that other users cannot write to files of this process and its children. Call
/// it before any thread starts.
pub fn restrict_umask() {
    use rustix::fs::Mode;
    let before = rustix::process::umask(Mode::RWXU);
    rustix::process::umask(before | Mode::WOTH);
}

fn content(first: &str, directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default();
    format!("{first}\n{}\n", name.to_string_lossy())
}

/// Locks a directory until the file is dropped or this process ends in any way.
///
/// The lock file gets its name when the lock is held, so an unlocked file of that name belongs to a
/// dead run.
pub fn lock_in(directory: &Path) -> io::Result<fs_err::File> {
    lock_with(directory, &content(LOCKED, directory))
}

fn lock_with(directory: &Path, content: &str) -> io::Result<fs_err::File> {
    let fresh = directory.join(FRESH);
    // A file from a killed process must not be written to: it may be anything.
    match fs_err::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut lock = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    lock.write_all(content.as_bytes())?;
    lock.file().lock()?;
    fs_err::rename(&fresh, directory.join(LOCK))?;
    Ok(lock)
}

/// Opens a file to lock it and creates it if it is missing. Keeps its content. Refuses anything but
/// a regular file without blocking on a pipe.
pub fn open_lock(path: &Path) -> io::Result<fs_err::File> {
    let file = fs_err::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags())
        .open(path)?;
    if !file.metadata()?.is_file() {
        let message = format!("`{}` is not a regular file", path.display());
        return Err(io::Error::other(message));
    }
    Ok(file)
}

/// Open flags for files that others may have made: does not follow links or block on pipes.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
        .bits()
        .cast_signed()
}

/// Opens a regular file of this user to read; `None` if the path is anything else.
fn open_own(path: &Path) -> Option<fs_err::File> {
    // The type is checked first, because opening some devices has effects.
    let is_own = |data: &std::fs::Metadata| data.is_file() && data.uid() == own_user();
    fs_err::symlink_metadata(path).ok().filter(is_own)?;
    let file = fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(flags())
        .open(path)
        .ok()?;
    // The file may have been replaced meanwhile.
    let data = file.metadata().ok()?;
    is_own(&data).then_some(file)
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether a process holds the lock of a directory, or `None` if it has no lock.
#[must_use]
pub fn is_locked(directory: &Path) -> Option<bool> {
    let lock = open_own(&directory.join(LOCK))?;
    Some(lock.file().try_lock().is_err())
}

/// Removes the leftovers of killed runs of this user from `parent`. Ignores failures.
pub fn sweep(parent: &Utf8Path) {
    let Ok(entries) = fs_err::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        // Does not follow links: this is the link's own owner.
        let own = entry
            .metadata()
            .is_ok_and(|data| data.is_dir() && data.uid() == own_user());
        if own && name.to_str().is_some_and(is_scratch_name) {
            // A leftover does no harm.
            let _ = sweep_one(&entry.path());
        }
    }
}

/// Whether a name is `kiln-`, a word, and the random suffix.
fn is_scratch_name(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX);
    let parts = rest.and_then(|rest| rest.rsplit_once('-'));
    parts.is_some_and(|(word, random)| {
        !word.is_empty()
            && random.len() == RANDOM
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn sweep_one(directory: &Path) -> io::Result<()> {
    if let Some(lock) = open_own(&directory.join(LOCK)) {
        let mut text = String::new();
        let read = lock.file().take(LONGEST).read_to_string(&mut text);
        let made_here = read.is_ok() && text == content(SCRATCH, directory);
        if made_here && lock.file().try_lock().is_ok() {
            fs_err::remove_dir_all(directory)?;
        }
        return Ok(());
    }
    let data = fs_err::symlink_metadata(directory)?;
    let age = crate::clock::now().duration_since(data.modified()?);
    if data.mode() & 0o777 == 0o700 && age.is_ok_and(|age| age > SETTLED) {
        // A directory whose run was killed before it got its lock is otherwise empty. Removing any
        // other one fails.
        if open_own(&directory.join(FRESH)).is_some() && fs_err::read_dir(directory)?.count() == 1 {
            fs_err::remove_file(directory.join(FRESH))?;
        }
        fs_err::remove_dir(directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn parent() -> Scratch {
        Scratch::new_in(Utf8Path::new("/tmp"), "test").expect("made")
    }

    /// Creates a directory as a killed run of this version leaves it.
    fn killed(parent: &Utf8Path, name: &str) -> Utf8PathBuf {
        let path = private(parent, name);
        let text = content(SCRATCH, path.as_std_path());
        drop(lock_with(path.as_std_path(), &text).expect("locked"));
        fs_err::write(path.join("disk"), "x").expect("written");
        path
    }

    fn private(parent: &Utf8Path, name: &str) -> Utf8PathBuf {
        let path = parent.join(name);
        fs_err::create_dir(&path).expect("made");
        fs_err::set_permissions(&path, Permissions::from_mode(0o700)).expect("set");
        path
    }

    #[test]
    fn created_directories_and_their_parents_are_private() {
        let parent = parent();
        let deep = parent.path().join("guest1/files");
        create_private(&deep).expect("made");
        create_private(&deep).expect("exists");
        for path in [&deep, &parent.path().join("guest1")] {
            let mode = fs_err::metadata(path).expect("read").mode();
            assert_eq!(mode & 0o777, 0o700, "{path}");
        }
    }

    fn age(path: &Utf8Path) {
        let file = fs_err::File::open(path).expect("opens");
        let hour_ago = crate::clock::now() - HOUR;
        file.file().set_modified(hour_ago).expect("set");
    }

    /// The directories that are left after a sweep.
    fn left(parent: &Scratch, all: &[&Utf8PathBuf]) -> Vec<String> {
        sweep(parent.path());
        let left = all.iter().filter(|path| path.symlink_metadata().is_ok());
        left.map(|path| path.file_name().expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn leftovers_of_killed_runs_are_swept() {
        let parent = parent();
        let killed = killed(parent.path(), "kiln-run-a1B2c3");
        let (bare, fresh) = (
            private(parent.path(), "kiln-probe-abcdef"),
            private(parent.path(), "kiln-kvm-ABCDEF"),
        );
        fs_err::write(fresh.join(FRESH), "").expect("written");
        age(&bare);
        age(&fresh);
        assert_eq!(left(&parent, &[&killed, &bare, &fresh]), [""; 0]);
    }

    #[test]
    fn running_and_starting_runs_are_not_swept() {
        let parent = parent();
        let running = Scratch::new_in(parent.path(), "run").expect("made");
        let young = private(parent.path(), "kiln-run-abcdef");
        assert_eq!(left(&parent, &[&young]), ["kiln-run-abcdef"]);
        assert!(running.path().exists());
    }

    #[test]
    fn foreign_directories_are_not_swept() {
        let parent = parent();
        let root = parent.path();
        // A run folder that was copied here for a bug report: its lock is free.
        let report = private(root, "kiln-run12");
        drop(lock_in(report.as_std_path()).expect("locked"));
        // The same with a name of the right form, and with an empty lock.
        let renamed = private(root, "kiln-run-report");
        drop(lock_in(renamed.as_std_path()).expect("locked"));
        let empty = private(root, "kiln-run-aaaaaa");
        fs_err::write(empty.join(LOCK), "").expect("written");
        // A copy of a scratch directory, under another name of the right form.
        let original = killed(root, "kiln-run-bbbbbb");
        let copy = private(root, "kiln-run-cccccc");
        fs_err::copy(original.join(LOCK), copy.join(LOCK)).expect("copied");
        // A directory whose lock is a link to a scratch directory's lock.
        let linked = private(root, "kiln-run-dddddd");
        fs_err::os::unix::fs::symlink(original.join(LOCK), linked.join(LOCK)).expect("linked");
        // A link to a directory.
        let link = root.join("kiln-run-eeeeee");
        fs_err::os::unix::fs::symlink(&report, &link).expect("linked");
        let file = private(root, "kiln-run-ffffff");
        fs_err::write(file.join("data"), "x").expect("written");
        let other = private(root, "other-run-bbbbbb");
        for path in [&report, &renamed, &empty, &copy, &linked, &file, &other] {
            age(path);
        }
        let all = [
            &report, &renamed, &empty, &copy, &linked, &link, &file, &other,
        ];
        assert_eq!(left(&parent, &all).len(), all.len());
        assert!(!original.exists());
    }

    #[test]
    fn directories_of_other_users_are_not_swept() {
        if !rustix::process::geteuid().is_root() {
            // Only root can change the owner of a directory.
            return;
        }
        let parent = parent();
        let give = |path: &Utf8Path| {
            let nobody = Some(rustix::fs::Uid::from_raw(65_534));
            rustix::fs::chown(path.as_std_path(), nobody, None).expect("given away");
        };
        let (directory, lock) = (
            killed(parent.path(), "kiln-run-aaaaaa"),
            killed(parent.path(), "kiln-run-bbbbbb"),
        );
        give(&directory);
        give(&lock.join(LOCK));
        assert_eq!(left(&parent, &[&directory, &lock]).len(), 2);
    }

    #[test]
    fn fifo_as_lock_does_not_block() {
        let parent = parent();
        let pipe = |path: &Utf8Path| {
            let mode = rustix::fs::Mode::from_raw_mode(0o666);
            let pipe = rustix::fs::mknodat(
                rustix::fs::CWD,
                path.as_std_path(),
                rustix::fs::FileType::Fifo,
                mode,
                0,
            );
            pipe.expect("a pipe");
        };
        let (locked, fresh) = (
            private(parent.path(), "kiln-run-aaaaaa"),
            private(parent.path(), "kiln-run-bbbbbb"),
        );
        pipe(&locked.join(LOCK));
        pipe(&fresh.join(FRESH));
        age(&locked);
        age(&fresh);
        // Any of these would hang.
        assert_eq!(left(&parent, &[&locked, &fresh]).len(), 2);
        assert_eq!(is_locked(locked.as_std_path()), None);
        assert!(open_lock(locked.join(LOCK).as_std_path()).is_err());
        drop(lock_in(fresh.as_std_path()).expect("locked"));
    }

    #[test]
    fn opening_a_lock_keeps_the_file_content() {
        let parent = parent();
        let path = parent.path().join("lock");
        fs_err::write(&path, "somebody's").expect("written");
        drop(open_lock(path.as_std_path()).expect("opened"));
        assert_eq!(fs_err::read_to_string(&path).expect("read"), "somebody's");
    }

    #[test]
    fn scratch_is_removed_unless_it_is_kept() {
        let outer = parent();
        let inner = Scratch::new_in(outer.path(), "inner").expect("made");
        fs_err::write(inner.path().join("file"), "x").expect("written");
        let gone = inner.path().to_owned();
        drop(inner);
        assert!(!gone.exists());
        let kept = Scratch::new_in(outer.path(), "inner").expect("made").keep();
        age(&kept);
        sweep(outer.path());
        assert!(!kept.exists(), "an empty one holds nothing");
        let kept = Scratch::new_in(outer.path(), "inner").expect("made");
        fs_err::write(kept.path().join("log"), "x").expect("written");
        let kept = kept.keep();
        age(&kept);
        sweep(outer.path());
        assert!(kept.exists());
    }
}
