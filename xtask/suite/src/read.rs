//! Reads the test files below `guest-tests/`, and reports files that are not tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use plan::diagnostic::Diagnostic;
use verdict::golden::{self, Golden};

use crate::files::{BrokenFile, Suite, TestFile};
use crate::header::Header;
use crate::{bare, bare_files};

/// The folder next to the areas for libraries that the scripts of tests call.
const LIBRARY: &str = "lib";
/// The extension of a test.
const SCRIPT: &str = "sh";
/// What an area may hold in addition.
const DOCUMENTS: [&str; 3] = ["md", "txt", "c"];

impl Suite {
    /// Parses all headers below a folder. With `arches`, also checks that the names in them exist.
    pub fn load(dir: &Utf8Path, arches: &[String]) -> std::io::Result<Self> {
        let mut suite = Self {
            dir: dir.to_owned(),
            tests: Vec::new(),
            broken: Vec::new(),
            ignored: Vec::new(),
        };
        for path in entries(dir.as_std_path())? {
            let name = shown(path.file_name());
            if path.is_dir() {
                if name == bare::AREA {
                    suite.load_bare(&path, arches)?;
                } else if name != LIBRARY {
                    suite.load_area(&path, arches)?;
                }
            } else if path.extension() == Some(OsStr::new(SCRIPT)) {
                let reason = "expected tests in the directory of an area";
                suite.ignored.push(format!("{name}: {reason}"));
            }
        }
        Ok(suite)
    }

    /// The bare-metal tests: a directory each.
    fn load_bare(&mut self, folder: &Path, arches: &[String]) -> std::io::Result<()> {
        let mut directories = Vec::new();
        for path in entries(folder)? {
            let name = shown(path.file_name());
            if !path.is_dir() {
                let extension = path.extension().and_then(OsStr::to_str);
                if !extension.is_some_and(|extension| DOCUMENTS.contains(&extension)) {
                    let reason = "a bare-metal test is a directory";
                    self.ignored
                        .push(format!("{}/{name}: {reason}", bare::AREA));
                }
                continue;
            }
            match Utf8PathBuf::from_path_buf(path) {
                Ok(path) if is_plain(&name) && name != LIBRARY => directories.push(path),
                Ok(_) if name == LIBRARY => {}
                _ => self.broken.push(BrokenFile {
                    name: format!("{}::{name}", bare::AREA),
                    faults: vec![bad_name(&format!("{}/{name}", bare::AREA))],
                }),
            }
        }
        for test in bare_files::load(&directories)? {
            let checked = test.and_then(|test| {
                let text = fs_err::read_to_string(&test.path).unwrap_or_default();
                let name = test.name();
                let header = check_names(test.header, &test.path, &text, arches)
                    .map_err(|faults| BrokenFile { name, faults })?;
                Ok(TestFile { header, ..test })
            });
            match checked {
                Ok(test) => self.tests.push(test),
                Err(broken) => self.broken.push(broken),
            }
        }
        Ok(())
    }

    fn load_area(&mut self, folder: &Path, arches: &[String]) -> std::io::Result<()> {
        let area = shown(folder.file_name());
        let first = self.tests.len();
        let mut files = Vec::new();
        for path in entries(folder)? {
            let file = shown(path.file_name());
            let at = format!("{area}/{file}");
            if path.is_dir() {
                if holds_scripts(&path)? {
                    let reason = "expected tests in the directory of the area, not below it";
                    self.ignored.push(format!("{at}/: {reason}"));
                }
                continue;
            }
            let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
            if extension != SCRIPT && extension != golden::EXTENSION {
                if !DOCUMENTS.contains(&extension) {
                    self.ignored
                        .push(format!("{at}: the file name of a test ends in `.{SCRIPT}`"));
                }
                continue;
            }
            match Utf8PathBuf::from_path_buf(path) {
                Ok(path) if is_plain(&area) && is_plain(&file) => files.push(path),
                _ => self.broken.push(BrokenFile {
                    name: format!("{area}::{}", stem(&file)),
                    faults: vec![bad_name(&at)],
                }),
            }
        }
        for path in files.iter().filter(|path| path.extension() == Some(SCRIPT)) {
            let test = path.file_stem().unwrap_or_default();
            let script = String::from_utf8_lossy(&fs_err::read(path)?).into_owned();
            match Header::parse(path, &script)
                .and_then(|header| check_names(header, path, &script, arches))
            {
                Ok(header) => self.tests.push(TestFile {
                    area: area.clone(),
                    test: test.to_owned(),
                    path: path.clone(),
                    header,
                    golden: Vec::new(),
                }),
                Err(faults) => self.broken.push(BrokenFile {
                    name: format!("{area}::{test}"),
                    faults,
                }),
            }
        }
        for fault in give_golden(&mut self.tests[first..], &files, arches)? {
            let file = fault.path.file_name().unwrap_or_default();
            self.broken.push(BrokenFile {
                name: format!("{area}::{}", stem(file)),
                faults: vec![fault],
            });
        }
        Ok(())
    }
}

/// The sorted names in a folder, without hidden files and backup files of editors.
fn entries(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if !name.starts_with(b".") && !name.ends_with(b"~") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn holds_scripts(folder: &Path) -> std::io::Result<bool> {
    for path in entries(folder)? {
        if path.extension() == Some(OsStr::new(SCRIPT)) {
            return Ok(true);
        }
        // A link could lead back to a parent.
        if path.is_dir() && !path.is_symlink() && holds_scripts(&path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A name that is safe to print.
fn shown(name: Option<&OsStr>) -> String {
    let name = name.unwrap_or_default().to_string_lossy();
    name.escape_debug().to_string()
}

/// Names become part of log file names, command lines and reports.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    name.chars().all(plain)
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn bad_name(at: &str) -> Diagnostic {
    Diagnostic {
        path: at.into(),
        text: String::new(),
        span: 0..0,
        title: format!("invalid name of a test: `{at}`"),
        label: "expected letters, digits, `.`, `_` and `-`".to_owned(),
        help: None,
    }
}

/// Assigns golden output to the tests of an area. A file that no test would be compared with is an
/// error.
fn give_golden(
    tests: &mut [TestFile],
    files: &[Utf8PathBuf],
    arches: &[String],
) -> std::io::Result<Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let is_script = |path: &&Utf8PathBuf| path.extension() == Some(SCRIPT);
    let names: Vec<_> = files
        .iter()
        .filter(is_script)
        .filter_map(|path| path.file_stem())
        .collect();
    let kept = |path: &&Utf8PathBuf| path.extension() == Some(golden::EXTENSION);
    for path in files.iter().filter(kept) {
        let mut fault = |title: String, label: &str, help: Option<String>| {
            let text = fs_err::read(path)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            faults.push(Diagnostic {
                path: path.clone(),
                span: 0..text.lines().next().map_or(0, str::len),
                text,
                title,
                label: label.to_owned(),
                help,
            });
            std::io::Result::Ok(())
        };
        let stem = path.file_stem().unwrap_or_default();
        let Some((test, variant)) = golden::of_file(path, &names) else {
            let close = plan::suggest::closest(stem, names.iter().copied());
            let help = close.map(|name| format!("did you mean `{name}.{}`?", golden::EXTENSION));
            let label = "no test has this output";
            fault(format!("`{path}` belongs to no test"), label, help)?;
            continue;
        };
        let unknown = variant.arch.as_ref().filter(|arch| !arches.contains(arch));
        if let Some(arch) = unknown.filter(|_| !arches.is_empty()) {
            let label = format!("no file `images/{arch}.toml`");
            let help = format!("the architectures are {}", arches.join(", "));
            fault(format!("unknown architecture `{arch}`"), &label, Some(help))?;
            continue;
        }
        // The header of a missing test was already reported.
        if let Some(test) = tests.iter_mut().find(|file| file.test == test) {
            test.golden.push(Golden {
                path: path.clone(),
                variant,
            });
        }
    }
    Ok(faults)
}

/// A test with a misspelt architecture would silently never run.
fn check_names(
    header: Header,
    path: &Utf8Path,
    text: &str,
    arches: &[String],
) -> Result<Header, Vec<Diagnostic>> {
    let unknown = |name: &&String| !arches.is_empty() && !arches.contains(name);
    let offered = header.choices.values();
    let offered = offered.flat_map(crate::header::choices::Offered::arches);
    let named = header.arches.iter().chain(&header.except_arches);
    let named = named.chain(header.machine.arches()).chain(offered);
    let faults: Vec<_> = named
        .filter(unknown)
        .map(|name| {
            let start = text.find(name.as_str()).unwrap_or(0);
            Diagnostic {
                path: path.to_owned(),
                text: text.to_owned(),
                span: start..start + name.len(),
                title: format!("unknown architecture `{name}`"),
                label: format!("no file `images/{name}.toml`"),
                help: Some(
                    match plan::suggest::closest(name, arches.iter().map(String::as_str)) {
                        Some(close) => format!("did you mean `{close}`?"),
                        None => format!("the architectures are {}", arches.join(", ")),
                    },
                ),
            }
        })
        .collect();
    if faults.is_empty() {
        Ok(header)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn file_that_is_not_a_test_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let test = "in_guest() { true; }\n";
        for file in [
            "README.md",
            "top.sh",
            "a/good.sh",
            "a/notes.txt",
            "a/program.c",
            "a/.hidden.sh",
            "a/good.sh~",
            "a/plain",
            "a/deep/er.sh",
            "a/very/deep/er.sh",
            "a/data/input",
            "lib/guest.sh",
        ] {
            let path = root.join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, test).unwrap();
        }
        for name in [&b"two words.sh"[..], b"e\x1b[31m.sh", b"l\xff.sh"] {
            let path = dir.path().join("a").join(OsStr::from_bytes(name));
            fs_err::write(path, test).unwrap();
        }
        fs_err::write(root.join("a/empty.sh"), "").unwrap();
        let suite = Suite::load(root, &[]).unwrap();
        let names: Vec<_> = suite.tests.iter().map(TestFile::name).collect();
        assert_eq!(names, ["a::good"]);
        let ignored = [
            "a/deep/: expected tests in the directory of the area, not below it",
            "a/plain: the file name of a test ends in `.sh`",
            "a/very/: expected tests in the directory of the area, not below it",
            "top.sh: expected tests in the directory of an area",
        ];
        assert_eq!(suite.ignored, ignored);
        let names: Vec<_> = suite.broken.iter().map(|it| it.name.as_str()).collect();
        let expect = [
            "a::e\\u{1b}[31m",
            "a::l\u{fffd}",
            "a::two words",
            "a::empty",
        ];
        assert_eq!(names, expect);
        let title = &suite.broken[0].faults[0].title;
        assert_eq!(title, "invalid name of a test: `a/e\\u{1b}[31m.sh`");
    }
}
