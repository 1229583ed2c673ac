//! Finds trees that may have lost bytes in a power cut, and files that changed since they were hashed.
//!
//! Images are synced file by file before they appear. They and templates are hashed when they are
//! used for the first time during a boot, and again when the inode, the size or a time of a file
//! differs. That is too slow for trees of a hundred thousand files. Those record the boot during
//! which they were written. In a later boot their sizes are checked once, because a power cut
//! truncates unsynced files. On a system without a boot id everything is checked each time.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{Access, Store, StoreError};

/// A random id for each boot (`random(4)`, proc(5)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(crate) fn current_boot() -> Option<String> {
    fs::read_to_string(BOOT_ID)
        .ok()
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
}

fn mark(directory: &Utf8Path) -> Utf8PathBuf {
    directory.join("boot")
}

impl Store {
    /// Records in `directory` that its bytes were written or checked during this boot.
    pub fn mark_boot(&self, directory: &Utf8Path) -> io::Result<()> {
        fs::write(mark(directory), self.boot().unwrap_or_default())
    }

    /// Whether `directory` was written or checked during this boot.
    #[must_use]
    pub fn is_of_this_boot(&self, directory: &Utf8Path) -> bool {
        let Some(current) = self.boot() else {
            return false;
        };
        fs::read_to_string(mark(directory)).is_ok_and(|boot| boot == current)
    }
}

/// A file that changes within this time of a check might keep the times that it had at the check.
const TICK: i64 = 2;

/// The versions of some files.
struct Versions {
    text: String,
    /// When one of them last changed, in seconds since 1970.
    changed: i64,
}

fn versions(files: &[Utf8PathBuf]) -> io::Result<Versions> {
    let mut versions = Versions {
        text: String::new(),
        changed: 0,
    };
    for path in files {
        let identity = host::files::identity(path)?;
        versions.text.extend([path.as_str(), " ", &identity, "\n"]);
        versions.changed = versions.changed.max(fs::metadata(path)?.ctime());
    }
    Ok(versions)
}

impl Store {
    /// Calls `check`, which hashes files, unless it succeeded during this boot and the files in
    /// `directory` have not changed since.
    pub(crate) fn check_once(
        &self,
        directory: &Utf8Path,
        files: &[Utf8PathBuf],
        now: SystemTime,
        check: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        // Read before the bytes, so that a later change is noticed.
        let versions = versions(files).map_err(|error| error.to_string())?;
        let path = directory.join("checked");
        let note = self.boot().map(|boot| format!("{boot}\n{}", versions.text));
        let checked = fs::read_to_string(&path).ok();
        if note.is_some() && checked == note {
            return Ok(());
        }
        check()?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.ok().and_then(|time| i64::try_from(time.as_secs()).ok());
        let is_old = now.is_some_and(|now| versions.changed + TICK < now);
        if let Some(note) = note
            && is_old
            && self.access() == Access::Write
        {
            // Without the note, the files are hashed again.
            let _ = fs::write(path, note);
        }
        Ok(())
    }
}

impl Store {
    /// Writes a small file atomically and syncs it.
    pub(crate) fn write_durably(&self, path: &Utf8Path, content: &[u8]) -> Result<(), StoreError> {
        let area = self.workspace()?;
        let staged = area.path().join("file");
        let written = || {
            fs::write(&staged, content)?;
            fs::File::open(&staged)?.sync_all()?;
            fs::rename(&staged, path)?;
            path.parent().map_or(Ok(()), sync_directory)
        };
        written().map_err(|error| self.io(error).needing(content.len() as u64))
    }
}

/// Syncs the names in a directory.
pub(crate) fn sync_directory(directory: &Utf8Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_are_hashed_again_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let store = Store::open(root).unwrap();
        let file = root.join("file");
        fs::write(&file, "one").unwrap();
        let now = host::clock::now();
        let later = now + Duration::from_mins(1);
        let is_hashed = |now, result: Result<(), &str>| {
            let mut hashed = false;
            let found = store.check_once(root, std::slice::from_ref(&file), now, || {
                hashed = true;
                result.map_err(str::to_owned)
            });
            (hashed, found)
        };
        // A change within the resolution of the clock would not be noticed.
        assert_eq!(is_hashed(now, Ok(())), (true, Ok(())));
        assert_eq!(is_hashed(later, Ok(())), (true, Ok(())));
        assert_eq!(is_hashed(later, Err("not called")), (false, Ok(())));
        // The same bytes in another file.
        fs::write(root.join("other"), "one").unwrap();
        fs::rename(root.join("other"), &file).unwrap();
        let wrong = Err("wrong".to_owned());
        assert_eq!(is_hashed(later, Err("wrong")), (true, wrong.clone()));
        assert_eq!(is_hashed(later, Err("wrong")), (true, wrong));
        assert_eq!(is_hashed(later, Ok(())), (true, Ok(())));
        assert_eq!(is_hashed(later, Ok(())), (false, Ok(())));
        // Another boot.
        let note = root.join("checked");
        let text = fs::read_to_string(&note).unwrap();
        let (_, versions) = text.split_once('\n').unwrap();
        fs::write(&note, format!("boot\n{versions}")).unwrap();
        assert_eq!(is_hashed(later, Ok(())), (true, Ok(())));
        fs::remove_file(&file).unwrap();
        assert!(is_hashed(later, Ok(())).1.is_err());
    }
}
