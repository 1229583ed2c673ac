//! A copy of a QEMU source tree with the mutants. A file is written only if its content changes, so
//! that a later build compiles only what a changed set of mutants affects.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::edit::{self, Misfit};
use crate::set::Mutant;

/// Why the tree cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The directory is not a QEMU source tree.
    #[error("`{0}` is not a QEMU source tree: it has no `configure`")]
    NotQemu(Utf8PathBuf),
    /// A file cannot be read or written.
    #[error("failed to copy the QEMU source tree")]
    Io(#[from] io::Error),
}

/// Updates `copy` from `source` and the mutants. Returns the mutants that do not apply.
pub fn prepare(
    source: &Utf8Path,
    copy: &Utf8Path,
    mutants: &[&Mutant],
) -> Result<BTreeMap<String, Misfit>, TreeError> {
    if !source.join("configure").is_file() {
        return Err(TreeError::NotQemu(source.to_owned()));
    }
    let files = mutants.iter().map(|mutant| mutant.file.as_str().into());
    copy_directory(source, copy, Utf8Path::new(""), &files.collect())?;
    edit_files(source, mutants, &mut |path, text| {
        update(&copy.join(path), text.as_bytes())
    })
}

/// The mutants that do not apply to a source tree.
pub fn check(
    source: &Utf8Path,
    mutants: &[&Mutant],
) -> Result<BTreeMap<String, Misfit>, TreeError> {
    if !source.join("configure").is_file() {
        return Err(TreeError::NotQemu(source.to_owned()));
    }
    edit_files(source, mutants, &mut |_, _| Ok(()))
}

/// Edits each file with mutants and passes its text to `put`. Returns the mutants that do not
/// apply.
fn edit_files(
    source: &Utf8Path,
    mutants: &[&Mutant],
    put: &mut dyn FnMut(&str, &str) -> io::Result<()>,
) -> Result<BTreeMap<String, Misfit>, TreeError> {
    let mut files: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        files.entry(&mutant.file).or_default().push(mutant);
    }
    let mut misfits = BTreeMap::new();
    for (path, own) in files {
        let Ok(text) = fs::read_to_string(source.join(path)) else {
            let names = own.iter().map(|mutant| mutant.name.clone());
            misfits.extend(names.map(|name| (name, Misfit::File(path.to_owned()))));
            continue;
        };
        let edited = edit::edit(path, &text, &own);
        misfits.extend(edited.misfits);
        put(path, &edited.text)?;
    }
    Ok(misfits)
}

/// Copies a directory without version control, build directories and edited files.
fn copy_directory(
    source: &Utf8Path,
    copy: &Utf8Path,
    below: &Utf8Path,
    edited: &BTreeSet<&Utf8Path>,
) -> io::Result<()> {
    fs::create_dir_all(copy.join(below))?;
    for entry in source.join(below).read_dir_utf8()? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let (from, to) = (entry.path(), copy.join(&path));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let is_build = from.join("build.ninja").exists() || from.join("config.status").exists();
            if entry.file_name() != ".git" && !is_build {
                copy_directory(source, copy, &path, edited)?;
            }
        } else if kind.is_symlink() {
            if to.symlink_metadata().is_err() {
                fs_err::os::unix::fs::symlink(fs::read_link(from)?, &to)?;
            }
        } else if kind.is_file() && !edited.contains(path.as_path()) {
            copy_file(from, &to)?;
        }
    }
    Ok(())
}

/// Copies a file with its modification time, or with the current time if it replaces other content,
/// so that the build notices the change.
fn copy_file(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let source = from.metadata()?;
    if let Ok(copy) = to.metadata() {
        let is_same = copy.len() == source.len() && copy.modified()? == source.modified()?;
        return if is_same {
            Ok(())
        } else {
            update(to, &fs::read(from)?)
        };
    }
    fs::copy(from, to)?;
    let file = fs::File::options().append(true).open(to)?;
    file.file().set_modified(source.modified()?)
}

fn update(path: &Utf8Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::set::tests::mutant;

    const FILE: &str =
        "#include \"qemu/osdep.h\"\nint flush(void)\n{\n    return sync_disk(disk, 0);\n}\n";

    fn modified(path: &Utf8Path) -> SystemTime {
        path.metadata().unwrap().modified().unwrap()
    }

    #[test]
    fn only_a_changed_edit_touches_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        let (source, copy) = (root.join("qemu"), root.join("copy"));
        let disk = copy.join("hw/disk.c");
        fs::create_dir_all(source.join("hw")).unwrap();
        fs::create_dir_all(source.join("build")).unwrap();
        fs::create_dir_all(source.join(".git")).unwrap();
        assert!(
            prepare(&source, &copy, &[]).is_err(),
            "expected an error without `configure`"
        );
        for file in ["configure", "hw/other.c", "build/config.status"] {
            fs::write(source.join(file), FILE).unwrap();
        }
        fs::write(source.join("hw/disk.c"), FILE).unwrap();
        let one = mutant("one");
        let missing = Mutant {
            file: "hw/none.c".to_owned(),
            ..mutant("two")
        };

        let misfits = prepare(&source, &copy, &[&one, &missing]).unwrap();
        assert_eq!(misfits["two"].to_string(), "`hw/none.c` does not exist");
        assert_eq!(misfits.len(), 1);
        assert!(
            fs::read_to_string(&disk)
                .unwrap()
                .contains("kiln_mutant == 1")
        );
        assert!(!copy.join("build").exists() && !copy.join(".git").exists());
        assert_eq!(
            modified(&copy.join("hw/other.c")),
            modified(&source.join("hw/other.c"))
        );

        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let age = || {
            let file = fs::File::options().append(true).open(&disk).unwrap();
            file.file().set_modified(old).unwrap();
        };
        age();
        prepare(&source, &copy, &[&one, &missing]).unwrap();
        assert_eq!(modified(&disk), old, "written without a change");
        prepare(&source, &copy, &[]).unwrap();
        assert_eq!(fs::read_to_string(&disk).unwrap(), FILE);
        assert!(modified(&disk) > old, "the build would not see the change");
    }
}
