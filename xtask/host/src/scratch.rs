//! Directories that do not outlive the run: removed by `Drop`, or by a second Ctrl-C.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::interrupt;

/// A directory of its own (mode 0700), removed with its content when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: Utf8PathBuf,
    kept: bool,
}

impl Scratch {
    /// Makes a new directory in `parent`: the prefix with a random ending.
    pub fn new_in(parent: &Utf8Path, prefix: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(parent)?
            .keep();
        let path = Utf8PathBuf::from_path_buf(directory)
            .map_err(|path| io::Error::other(format!("`{}` is no UTF-8 path", path.display())))?;
        interrupt::add_directory(path.as_std_path());
        Ok(Self { path, kept: false })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Leaves it in place, such as for a failed test's logs.
    #[must_use]
    pub fn keep(mut self) -> Utf8PathBuf {
        self.kept = true;
        self.path.clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // A directory that is gone already is what was wanted; the next run removes what could not be.
            let _ = fs_err::remove_dir_all(&self.path);
        }
        interrupt::forget_directory(self.path.as_std_path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_content_unless_it_is_kept() {
        let outer = Scratch::new_in(Utf8Path::new("/tmp"), "kiln-test-").expect("made");
        let inner = Scratch::new_in(outer.path(), "inner-").expect("made");
        fs_err::write(inner.path().join("file"), "x").expect("written");
        let gone = inner.path().to_owned();
        drop(inner);
        assert!(!gone.exists());
        let kept = Scratch::new_in(outer.path(), "inner-")
            .expect("made")
            .keep();
        assert!(kept.exists());
        drop(outer);
        assert!(!kept.exists());
    }
}
