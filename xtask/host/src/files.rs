//! Whole files: reads a folder into memory by path, which is the input of a plan, and replaces a
//! file atomically.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file name that cannot be part of a key.
    #[error("the name of `{0}` is not UTF-8")]
    Name(String),
}

/// Reads all files below some folders of `root`, by path from `root`, except the folders named in
/// `without`. Skips hidden files and the backup files of editors.
pub fn read_tree(
    root: &Utf8Path,
    folders: &[&str],
    without: &[&str],
) -> Result<BTreeMap<Utf8PathBuf, Vec<u8>>, FilesError> {
    let mut found = BTreeMap::new();
    let mut open: Vec<Utf8PathBuf> = folders.iter().map(Utf8PathBuf::from).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| FilesError::Name(entry.path().display().to_string()))?;
            let path = folder.join(name);
            if name.starts_with('.') || name.ends_with('~') || without.contains(&path.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                let content = fs::read(root.join(&path))?;
                found.insert(path, content);
            }
        }
    }
    Ok(found)
}

/// A file's text, or `None` if the file does not exist.
pub fn read_text(path: &Utf8Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file atomically: a reader sees the old or the new content. Creates the folder if it
/// is missing.
pub fn write(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    write_with(path, content, 0o644)
}

/// Like [`write`], for an executable file.
pub fn write_program(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    write_with(path, content, 0o755)
}

fn write_with(path: &Utf8Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Utf8Path::new("."));
    fs::create_dir_all(folder)?;
    let mut staged = tempfile::Builder::new()
        .prefix(".kiln-")
        .tempfile_in(folder)?;
    staged.write_all(content)?;
    staged
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    staged.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes to a path that the user named. See [`Output`].
pub fn write_output(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut output = Output::create(path, 0o666)?;
    output.write_all(content)?;
    output.finish()
}

/// Like [`write_output`], for an executable file.
pub fn write_output_program(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut output = Output::create(path, 0o777)?;
    output.write_all(content)?;
    output.finish()
}

/// A file at a path that the user named, written like a shell's `>`. It follows a link, writes into
/// a special file, and keeps the mode of an existing file. A new file gets the mode that the umask
/// leaves. A regular file is replaced atomically at the end, unless that would change more than its
/// content.
#[derive(Debug)]
pub struct Output {
    target: Target,
}

#[derive(Debug)]
enum Target {
    Staged(tempfile::NamedTempFile, Utf8PathBuf),
    Direct(fs::File),
}

impl Output {
    /// Opens the file and creates its folder if it is missing. `mode` is the mode of a new file.
    pub fn create(path: &Utf8Path, mode: u32) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
        let folder = folder.unwrap_or_else(|| Utf8Path::new("."));
        let own = rustix::process::geteuid().as_raw();
        let (mode, is_new) = match fs::symlink_metadata(path) {
            Ok(file) if file.is_file() && file.nlink() == 1 && file.uid() == own => {
                (file.mode() & 0o7777, false)
            }
            // A replacement would destroy the link, the device, or the ownership of the file.
            Ok(_) => {
                let mut options = fs::OpenOptions::new();
                let file = options.write(true).create(true).truncate(true).open(path)?;
                let target = Target::Direct(file);
                return Ok(Self { target });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                (mode, true)
            }
            Err(error) => return Err(error),
        };
        let permissions = std::fs::Permissions::from_mode(mode);
        let staged = tempfile::Builder::new()
            .prefix(".kiln-")
            .permissions(permissions.clone())
            .tempfile_in(folder)?;
        if !is_new {
            // The umask may have cleared some of the bits.
            staged.as_file().set_permissions(permissions)?;
        }
        let target = Target::Staged(staged, path.to_owned());
        Ok(Self { target })
    }

    /// Moves the file into place once all of it is on disk.
    pub fn finish(self) -> io::Result<()> {
        match self.target {
            Target::Staged(staged, path) => {
                staged.as_file().sync_all()?;
                staged.persist(path).map_err(|error| error.error)?;
                Ok(())
            }
            Target::Direct(mut file) => file.flush(),
        }
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Staged(file, _) => file.write(bytes),
            Target::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Staged(file, _) => file.flush(),
            Target::Direct(file) => file.flush(),
        }
    }
}

/// Appends to a file that other processes also write to. Creates it if it is missing.
pub fn append(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(content)
}

/// Reads a whole file.
pub fn read(path: &Utf8Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The time of the last change of a file.
pub fn modified(path: &Utf8Path) -> io::Result<std::time::SystemTime> {
    fs::metadata(path)?.modified()
}

/// Free bytes for this user on the file system of `folder`.
pub fn free_space(folder: &Utf8Path) -> io::Result<u64> {
    let facts = rustix::fs::statvfs(folder.as_std_path())?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// A file system with less free space counts as full, because QEMU's disk images grow by up to this
/// much at once.
const FULL: u64 = 1 << 20;

/// Whether the file system of `folder` has run out of space or inodes.
pub fn is_full(folder: &Utf8Path) -> io::Result<bool> {
    let facts = rustix::fs::statvfs(folder.as_std_path())?;
    // Some file systems have no fixed number of inodes and report none at all.
    let no_inode = facts.f_files > 0 && facts.f_favail == 0;
    Ok(no_inode || facts.f_bavail.saturating_mul(facts.f_frsize) < FULL)
}

/// Whether a file is a script, whose behaviour also depends on its interpreter.
#[must_use]
pub fn is_script(path: &Utf8Path) -> bool {
    let mut start = [0; 2];
    let file = fs::File::open(path);
    let read = file.and_then(|mut file| io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == *b"#!"
}

/// Identifies a version of a file without reading it: the inode, the size, and the times at which
/// the content and the inode last changed.
pub fn identity(path: &Utf8Path) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    Ok(format!(
        "{} {} {}.{:09} {}.{:09}",
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_links_modes_and_special_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| Utf8Path::from_path(dir.path()).unwrap().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().mode() & 0o7777;
        fs::write(at("private"), "a longer text").unwrap();
        fs::set_permissions(at("private"), std::fs::Permissions::from_mode(0o600)).unwrap();
        write_output(&at("private"), b"text").unwrap();
        assert_eq!(
            (read(&at("private")).unwrap(), mode("private")),
            (b"text".to_vec(), 0o600)
        );

        for (link, target) in [("link", "private"), ("dangling", "made")] {
            fs_err::os::unix::fs::symlink(at(target), at(link)).unwrap();
            write_output(&at(link), link.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
            assert_eq!(read(&at(target)).unwrap(), link.as_bytes());
        }
        assert_eq!(mode("private"), 0o600);

        fs::hard_link(at("private"), at("other name")).unwrap();
        write_output(&at("other name"), b"both").unwrap();
        assert_eq!(read(&at("private")).unwrap(), b"both");

        let full = write_output(Utf8Path::new("/dev/full"), b"text").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert!(!fs::metadata("/dev/full").unwrap().is_file());
        assert!(write_output(&at(""), b"text").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
    }

    #[test]
    fn fifo_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = Utf8Path::from_path(dir.path()).unwrap().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            fifo.as_std_path(),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(&fifo).unwrap());
            write_output(&fifo, b"text").unwrap();
            assert_eq!(reader.join().unwrap(), b"text");
        });
        assert!(!fs::symlink_metadata(&fifo).unwrap().is_file());
    }

    #[test]
    fn folders_are_read_without_hidden_or_excluded() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for path in ["a/b/one", "a/.two", "a/three~", "a/skip/four", "other/five"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        }
        let found = read_tree(root, &["a"], &["a/skip"]).unwrap();
        assert_eq!(
            found,
            BTreeMap::from([("a/b/one".into(), b"a/b/one".to_vec())])
        );
    }
}
