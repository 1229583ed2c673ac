//! Records the digests of files that programs of the host generated during a step, next to its
//! entry. If two builds differ, they identify the program.
//!
//! `build` records, and `images --verify` and `repro` compare. A difference here is not a failure,
//! because it may not reach any output.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::io;

use camino::Utf8Path;
use plan::generated::Generated;
use store::{Ready, digest_file};

/// Name of the note.
pub(crate) const NOTE: &str = "generated";

/// A generated file that differs between two builds of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Path below the build directory.
    pub path: String,
    /// The program that generated it.
    pub by: String,
    /// The builds that generated it.
    pub made_by: MadeBy,
}

/// The builds that generated a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// Both, with different bytes.
    Both,
    /// Only the first.
    First,
    /// Only the second.
    Second,
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, by, made_by } = self;
        match made_by {
            MadeBy::Both => write!(f, "`{by}` wrote a different `{path}`"),
            MadeBy::First => write!(f, "`{by}` wrote `{path}` in the first build only"),
            MadeBy::Second => write!(f, "`{by}` wrote `{path}` in the second build only"),
        }
    }
}

/// The generated files that differ between two entries of one step, or `None` if one of them has no
/// record. An entry from a mirror has none.
#[must_use]
pub fn differing(table: &[Generated], first: &Ready, second: &Ready) -> Option<Vec<Differing>> {
    Some(compare(table, &first.note(NOTE)?, &second.note(NOTE)?))
}

fn compare(table: &[Generated], first: &str, second: &str) -> Vec<Differing> {
    let (one, other) = (parse(first), parse(second));
    let mut paths: Vec<&str> = one.keys().chain(other.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| one.get(path) != other.get(path));
    let differing = paths.into_iter().map(|path| Differing {
        path: path.to_owned(),
        by: Generated::maker(table, path)
            .unwrap_or("a host tool")
            .to_owned(),
        made_by: match (one.contains_key(path), other.contains_key(path)) {
            (true, true) => MadeBy::Both,
            (true, false) => MadeBy::First,
            (false, _) => MadeBy::Second,
        },
    });
    differing.collect()
}

/// Digest and path of each file of a table below a build directory, in the format of `sha256sum`.
pub(crate) fn record(table: &[Generated], build: &Utf8Path) -> io::Result<String> {
    let mut text = String::new();
    below(table, build, "", &mut text)?;
    Ok(text)
}

fn below(table: &[Generated], build: &Utf8Path, path: &str, text: &mut String) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(build.join(path))? {
        let entry = entry?;
        // The kernel's build stores command lines in hidden files.
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.is_empty() && !name.starts_with('.') {
            names.push((name, entry.file_type()?));
        }
    }
    names.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, kind) in names {
        let path = match path {
            "" => name,
            path => format!("{path}/{name}"),
        };
        if kind.is_dir() {
            below(table, build, &path, text)?;
        } else if kind.is_file() && Generated::maker(table, &path).is_some() {
            let (_, digest) = digest_file(&build.join(&path))?;
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{digest}  {path}");
        }
    }
    Ok(())
}

fn parse(record: &str) -> BTreeMap<&str, &str> {
    let lines = record.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(digest, path)| (path, digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_files_name_their_generator() {
        let entry = |path: &str, by: &str| Generated {
            path: path.to_owned(),
            by: by.to_owned(),
        };
        let table = [
            entry("obj/generated/timeconst.h", "bc"),
            entry("obj/generated/*", "sh"),
            entry("obj/lib/oid.c", "perl"),
        ];
        let records = ["1", "2"].map(|constant| {
            let scratch = tempfile::tempdir().unwrap();
            let build = Utf8Path::from_path(scratch.path()).unwrap();
            for directory in ["obj/generated/asm", "obj/lib"] {
                fs_err::create_dir_all(build.join(directory)).unwrap();
            }
            let write = |path: &str, text: &str| fs_err::write(build.join(path), text).unwrap();
            write("obj/generated/timeconst.h", constant);
            write("obj/generated/.timeconst.h.cmd", constant);
            write("obj/generated/asm/types.h", "same");
            write(&format!("obj/generated/asm/{constant}.h"), "");
            write("obj/lib/oid.c", "same");
            write("obj/main.o", constant);
            record(&table, build).unwrap()
        });
        assert_eq!(records[0].lines().count(), 4, "{}", records[0]);
        let differences = compare(&table, &records[0], &records[1]);
        let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            differences,
            [
                "`sh` wrote `obj/generated/asm/1.h` in the first build only",
                "`sh` wrote `obj/generated/asm/2.h` in the second build only",
                "`bc` wrote a different `obj/generated/timeconst.h`",
            ]
        );
        assert_eq!(compare(&table, &records[0], &records[0]), []);
    }
}
