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

/// Bytes that the user may still write on the file system of `folder`.
pub fn free_space(folder: &Utf8Path) -> io::Result<u64> {
    let facts = rustix::fs::statvfs(folder.as_std_path())?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// Tells one version of a file from another without reading it: size and time of change.
pub fn identity(path: &Utf8Path) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    Ok(format!(
        "{} {}.{:09}",
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_in_depth_without_hidden_files_and_excluded_folders() {
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
