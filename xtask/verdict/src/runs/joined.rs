//! Stores a merged run in its own folder with the logs of all parts.

use std::io;

use camino::Utf8Path;

use crate::event::RunReport;
use crate::report::json;
use crate::runs::stored::{self, StoredRunError};
use crate::runs::{journal, run_dir};

/// Stores a merged run in `dir`, or else as the next of `runs`. The paths of the returned report
/// are those of the copies.
pub fn store_merged(
    mut run: RunReport,
    parts: &[RunReport],
    dir: Option<&Utf8Path>,
    runs: &Utf8Path,
) -> Result<RunReport, StoredRunError> {
    let dir = match dir {
        Some(dir) if dir.join(stored::FILE).exists() => {
            return Err(StoredRunError::Taken(dir.to_owned()));
        }
        Some(dir) => dir.to_owned(),
        None => run_dir::number(runs)?,
    };
    fs_err::create_dir_all(&dir)?;
    for part in parts {
        copy(&part.run_dir, &dir, true)?;
        run.run_dir.clone_from(&part.run_dir);
        stored::relocate(&mut run, &dir);
    }
    let text = json::document(&run).map_err(io::Error::from)?;
    host::files::write(&dir.join(stored::FILE), text.as_bytes())?;
    Ok(run)
}

/// Copies logs: regular files and folders, except those that belong to a single part.
fn copy(from: &Utf8Path, to: &Utf8Path, is_top: bool) -> io::Result<()> {
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let (kind, target) = (entry.file_type()?, to.join(name));
        let is_own =
            is_top && [stored::FILE, journal::FILE].contains(&name) || name.starts_with('.');
        if kind.is_dir() {
            fs_err::create_dir_all(&target)?;
            copy(entry.path(), &target, false)?;
        } else if kind.is_file() && !is_own {
            fs_err::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
