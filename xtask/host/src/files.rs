//! Whole files: a folder of them read into memory by path (what a plan is made from), one written so
//! that no reader sees half of it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A name that cannot go into a key.
    #[error("the name of `{0}` is not UTF-8")]
    Name(String),
}

/// All files below some folders of `root`, by path from `root`; `without` names folders left out.
/// Editors' backup files and hidden files are no input.
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

/// A file's text; `None` where there is no such file.
pub fn read_text(path: &Utf8Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file so that a reader sees the old or the new one, never half of it; its folder is made
/// where it is missing.
pub fn write(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    write_with(path, content, 0o644)
}

/// The same for a file that can be started.
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

/// Writes to a path that a person named; see [`Output`].
pub fn write_output(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut output = Output::create(path, 0o666)?;
    output.write_all(content)?;
    output.finish()
}

/// The same for a file that can be started.
pub fn write_output_program(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    let mut output = Output::create(path, 0o777)?;
    output.write_all(content)?;
    output.finish()
}

/// A file at a path that a person named, written as a shell's `>` would: a link is followed, what is
/// not a regular file is written to, a file that exists keeps its mode, and a new one has the mode
/// that the umask leaves. A regular file is replaced as a whole, at the end, where that changes nothing
/// but its content.
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
    /// Opens it; its folder is made where it is missing. `mode` is that of a new file.
    pub fn create(path: &Utf8Path, mode: u32) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
        let folder = folder.unwrap_or_else(|| Utf8Path::new("."));
        let own = rustix::process::geteuid().as_raw();
        let (mode, is_new) = match fs::symlink_metadata(path) {
            Ok(file) if file.is_file() && file.nlink() == 1 && file.uid() == own => {
                (file.mode() & 0o7777, false)
            }
            // Another file would take the place of the link, the device, or the other owner's file.
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
            // The umask may have taken something of it.
            staged.as_file().set_permissions(permissions)?;
        }
        let target = Target::Staged(staged, path.to_owned());
        Ok(Self { target })
    }

    /// Puts it in its place, after all of it is on disk.
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

/// Adds to the end of a file that others write to as well; it is made where it is missing.
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

/// When a file was changed last.
pub fn modified(path: &Utf8Path) -> io::Result<std::time::SystemTime> {
    fs::metadata(path)?.modified()
}

/// Bytes that the user may still write on the file system of `folder`.
pub fn free_space(folder: &Utf8Path) -> io::Result<u64> {
    let facts = rustix::fs::statvfs(folder.as_std_path())?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// A file system with less free space is full: QEMU's disk images grow by up to this much at once.
const FULL: u64 = 1 << 20;

/// Whether the file system of `folder` has no space left, or no inode.
pub fn is_full(folder: &Utf8Path) -> io::Result<bool> {
    let facts = rustix::fs::statvfs(folder.as_std_path())?;
    // Some file systems have no fixed number of inodes, and report none at all.
    let no_inode = facts.f_files > 0 && facts.f_favail == 0;
    Ok(no_inode || facts.f_bavail.saturating_mul(facts.f_frsize) < FULL)
}

/// Whether a file is a script: what it does is not in it alone.
#[must_use]
pub fn is_script(path: &Utf8Path) -> bool {
    let mut start = [0; 2];
    let file = fs::File::open(path);
    let read = file.and_then(|mut file| io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == *b"#!"
}

/// Tells one version of a file from another without reading it: the inode, its size, and the times at
/// which its content and the inode were changed.
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
    fn named_output_keeps_what_it_is_written_to() {
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
