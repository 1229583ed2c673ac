//! The test files below `guest-tests/`, and which of them a run selects.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use plan::diagnostic::Diagnostic;
use verdict::golden::{self, Golden};
use verdict::partition::Partition;

use crate::expression::{Expression, Subject};
use crate::header::Header;

/// The folder beside the areas that holds what both halves call.
const LIBRARY: &str = "lib";

/// All tests of a folder, sorted by area and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The folder, such as `guest-tests`.
    pub dir: Utf8PathBuf,
    /// The tests.
    pub tests: Vec<TestFile>,
}

/// One test file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// The folder it stands in, such as `block`.
    pub area: String,
    /// File name without `.sh`.
    pub test: String,
    /// The script.
    pub path: Utf8PathBuf,
    /// What it says about itself.
    pub header: Header,
    /// What it is to print, if that is kept: by variant.
    pub golden: Vec<Golden>,
}

impl TestFile {
    /// `area::test`, without an architecture.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}::{}", self.area, self.test)
    }

    /// The path of its script in the repository, as messages show it.
    #[must_use]
    pub fn shown_path(&self) -> Utf8PathBuf {
        let mut parts: Vec<&str> = self.path.iter().rev().take(3).collect();
        parts.reverse();
        parts.iter().collect()
    }

    /// Whether its header lets it run on an architecture.
    #[must_use]
    pub fn is_for(&self, arch: &str) -> bool {
        self.header.arches.is_empty() || self.header.arches.iter().any(|name| name == arch)
    }
}

/// Why a suite cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file system refuses.
    #[error("cannot read the tests")]
    Io(#[from] std::io::Error),
    /// Headers are wrong; each with its place.
    #[error("{} test headers are wrong", .0.len())]
    Headers(Vec<Diagnostic>),
}

impl Suite {
    /// Reads all headers below a folder; with `arches` also checks that the names in them exist.
    pub fn load(dir: &Utf8Path, arches: &[String]) -> Result<Self, SuiteError> {
        let mut tests = Vec::new();
        let mut faults = Vec::new();
        for area in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
            let Some(name) = area.file_name().filter(|name| *name != LIBRARY) else {
                continue;
            };
            let first = tests.len();
            let files = entries(&area)?;
            for path in files.clone() {
                let Some(test) = path.file_name().and_then(|file| file.strip_suffix(".sh")) else {
                    continue;
                };
                let script = fs_err::read_to_string(&path)?;
                match Header::parse(&path, &script)
                    .and_then(|header| known(header, &path, &script, arches))
                {
                    Ok(header) => tests.push(TestFile {
                        area: name.to_owned(),
                        test: test.to_owned(),
                        path: path.clone(),
                        header,
                        golden: Vec::new(),
                    }),
                    Err(found) => faults.extend(found),
                }
            }
            faults.extend(give_golden(&mut tests[first..], &files, arches)?);
        }
        if faults.is_empty() {
            Ok(Self {
                dir: dir.to_owned(),
                tests,
            })
        } else {
            Err(SuiteError::Headers(faults))
        }
    }

    /// What a filter's expressions name and no test has, whatever else the filter says.
    #[must_use]
    pub fn unknown(&self, filter: &Filter, arches: &[String]) -> Vec<Diagnostic> {
        let everything = self.select(&Filter::default(), arches);
        let names: Vec<String> = everything.iter().map(Selected::name).collect();
        let subjects = everything.iter().zip(&names);
        let subjects: Vec<_> = subjects
            .map(|(selected, name)| filter.subject(selected, name))
            .collect();
        let expressions = filter.expressions.iter();
        expressions
            .flat_map(|expression| expression.unknown(&subjects))
            .collect()
    }

    /// The tests of a run, each with its architecture: by test, then in the order of `arches`.
    #[must_use]
    pub fn select<'a>(&'a self, filter: &Filter, arches: &'a [String]) -> Vec<Selected<'a>> {
        let pairs = self.tests.iter().flat_map(|test| {
            let mine = arches.iter().filter(|arch| test.is_for(arch));
            mine.map(move |arch| Selected { arch, test })
        });
        let selected: Vec<_> = pairs.filter(|selected| filter.admits(selected)).collect();
        match filter.partition {
            Some(partition) => partition.of(selected, Selected::name),
            None => selected,
        }
    }
}

/// A test on an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected<'a> {
    /// The architecture.
    pub arch: &'a str,
    /// The test.
    pub test: &'a TestFile,
}

impl Selected<'_> {
    /// `arch::area::test`, the whole name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}::{}", self.arch, self.test.name())
    }
}

/// What a run selects; an empty filter selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these must occur in the whole name.
    pub patterns: Vec<String>,
    /// A pattern must be the whole name, or all of it but the architecture.
    pub exact: bool,
    /// Any of these groups must be the test's.
    pub groups: Vec<String>,
    /// Any of these must select the test.
    pub expressions: Vec<Expression>,
    /// The machine of each architecture where a header names none; expressions may ask for it.
    pub machines: BTreeMap<String, String>,
    /// One machine's part of what the above select.
    pub partition: Option<Partition>,
}

impl Filter {
    /// Whether it selects a test.
    #[must_use]
    pub fn admits(&self, selected: &Selected<'_>) -> bool {
        let name = selected.name();
        let matches = |pattern: &String| {
            if self.exact {
                *pattern == name || *pattern == selected.test.name()
            } else {
                name.contains(pattern.as_str())
            }
        };
        let header = &selected.test.header;
        (self.patterns.is_empty() || self.patterns.iter().any(matches))
            && (self.groups.is_empty() || self.groups.iter().any(|group| header.is_in(group)))
            && self.expressed(selected, &name)
    }

    fn expressed(&self, selected: &Selected<'_>, name: &str) -> bool {
        if self.expressions.is_empty() {
            return true;
        }
        let subject = self.subject(selected, name);
        let mut expressions = self.expressions.iter();
        expressions.any(|expression| expression.admits(&subject))
    }

    fn subject<'a>(&'a self, selected: &Selected<'a>, name: &'a str) -> Subject<'a> {
        let header = &selected.test.header;
        let default = self.machines.get(selected.arch).map(String::as_str);
        Subject {
            name,
            arch: selected.arch,
            machine: header
                .machine
                .name(selected.arch)
                .or(default)
                .unwrap_or_default(),
            groups: header.all_groups().collect(),
            devices: header.devices().collect(),
        }
    }
}

fn entries(dir: &Utf8Path) -> std::io::Result<Vec<Utf8PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = Utf8PathBuf::from_path_buf(entry?.path())
            .map_err(|path| std::io::Error::other(format!("`{}` is no UTF-8", path.display())))?;
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

/// Gives each test of an area its golden output. A file that no test would ever be held against is
/// a fault.
fn give_golden(
    tests: &mut [TestFile],
    files: &[Utf8PathBuf],
    arches: &[String],
) -> std::io::Result<Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let is_script = |path: &&Utf8PathBuf| path.extension() == Some("sh");
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
            let label = "nothing is ever held against it";
            fault(format!("`{path}` belongs to no test"), label, help)?;
            continue;
        };
        let unknown = variant.arch.as_ref().filter(|arch| !arches.contains(arch));
        if let Some(arch) = unknown.filter(|_| !arches.is_empty()) {
            let label = format!("there is no `images/{arch}.toml`");
            let help = format!("the architectures are {}", arches.join(", "));
            fault(format!("unknown architecture `{arch}`"), &label, Some(help))?;
            continue;
        }
        // The header of a test that is not there is at fault already.
        if let Some(test) = tests.iter_mut().find(|file| file.test == test) {
            test.golden.push(Golden {
                path: path.clone(),
                variant,
            });
        }
    }
    Ok(faults)
}

/// A misspelt architecture would silently never run.
fn known(
    header: Header,
    path: &Utf8Path,
    text: &str,
    arches: &[String],
) -> Result<Header, Vec<Diagnostic>> {
    let unknown = |name: &&String| !arches.is_empty() && !arches.contains(name);
    let offered = header.choices.values();
    let offered = offered.flat_map(crate::header::choices::Offered::arches);
    let named = header.arches.iter().chain(header.machine.arches());
    let named = named.chain(offered);
    let faults: Vec<_> = named
        .filter(unknown)
        .map(|name| {
            let start = text.find(name.as_str()).unwrap_or(0);
            Diagnostic {
                path: path.to_owned(),
                text: text.to_owned(),
                span: start..start + name.len(),
                title: format!("unknown architecture `{name}`"),
                label: format!("there is no `images/{name}.toml`"),
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
    use super::*;

    const GUEST: &str = "in_guest() { true; }\n";

    fn suite(files: &[(&str, &str)]) -> Result<Suite, SuiteError> {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for (path, header) in files {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, format!("{header}\n{GUEST}")).unwrap();
        }
        Suite::load(root, &["aarch64".to_owned(), "x86_64".to_owned()])
    }

    fn names(suite: &Suite, filter: &Filter, arches: &[&str]) -> Vec<String> {
        let arches: Vec<_> = arches.iter().map(|&arch| arch.to_owned()).collect();
        suite
            .select(filter, &arches)
            .iter()
            .map(Selected::name)
            .collect()
    }

    fn example() -> Suite {
        suite(&[
            ("boot/true.sh", ""),
            ("boot/notes.txt", ""),
            ("block/nvme.sh", "#: groups = [\"hotplug\"]"),
            ("block/ide.sh", "#: arch = [\"x86_64\"]"),
            ("lib/guest.sh", ""),
            ("README.md", ""),
        ])
        .unwrap()
    }

    #[test]
    fn a_suite_is_every_script_in_an_area() {
        let names = names(&example(), &Filter::default(), &["x86_64", "aarch64"]);
        let expect = [
            "x86_64::block::ide",
            "x86_64::block::nvme",
            "aarch64::block::nvme",
            "x86_64::boot::true",
            "aarch64::boot::true",
        ];
        assert_eq!(names, expect);
    }

    #[test]
    fn a_filter_selects_by_parts_of_the_whole_name() {
        let suite = example();
        let check = |patterns: &[&str], exact, groups: &[&str], expect: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            let (patterns, groups) = (own(patterns), own(groups));
            let filter = Filter {
                patterns,
                exact,
                groups,
                ..Filter::default()
            };
            assert_eq!(names(&suite, &filter, &["x86_64"]), expect, "{filter:?}");
        };
        check(&["boot"], false, &[], &["x86_64::boot::true"]);
        check(
            &["ide", "true"],
            false,
            &[],
            &["x86_64::block::ide", "x86_64::boot::true"],
        );
        check(&["true"], true, &[], &[]);
        check(&["boot::true"], true, &[], &["x86_64::boot::true"]);
        check(&["x86_64::boot::true"], true, &[], &["x86_64::boot::true"]);
        check(&[], false, &["hotplug"], &["x86_64::block::nvme"]);
        check(&["ide"], false, &["hotplug"], &[]);
        check(&["aarch64"], false, &[], &[]);
    }

    #[test]
    fn golden_output_goes_to_its_test_and_a_stray_one_is_a_fault() {
        let area = [("net/nic.sh", ""), ("net/nic.good", "")];
        let by_arch = ("net/nic.aarch64.good", "");
        let suite_of = |more: &[(&str, &str)]| suite(&[&area, more].concat());
        let golden = &suite_of(&[by_arch]).unwrap().tests[0].golden;
        let names = golden.iter().filter_map(|one| one.path.file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["nic.aarch64.good", "nic.good"]);
        let check = |stray: &str, title: &str, help: &str| {
            let Err(SuiteError::Headers(faults)) = suite_of(&[(stray, "")]) else {
                panic!("accepted")
            };
            let [fault] = &faults[..] else {
                panic!("{faults:?}")
            };
            assert!(fault.title.ends_with(title), "{}", fault.title);
            assert_eq!(fault.help.as_deref(), Some(help));
        };
        let meant = "did you mean `nic.good`?";
        check("net/nik.good", "net/nik.good` belongs to no test", meant);
        let known = "the architectures are aarch64, x86_64";
        check("net/nic.arm.good", "unknown architecture `arm`", known);
    }

    #[test]
    fn an_expression_narrows_what_the_patterns_select() {
        let suite = example();
        let machines = BTreeMap::from([("x86_64".to_owned(), "q35".to_owned())]);
        let check = |patterns: &[&str], texts: &[&str], expect: &[&str]| {
            let filter = Filter {
                patterns: patterns.iter().map(|&text| text.to_owned()).collect(),
                expressions: texts
                    .iter()
                    .map(|text| Expression::parse(text).unwrap())
                    .collect(),
                machines: machines.clone(),
                ..Filter::default()
            };
            assert_eq!(names(&suite, &filter, &["x86_64"]), expect, "{filter:?}");
        };
        check(&["block"], &["not group(hotplug)"], &["x86_64::block::ide"]);
        check(
            &[],
            &["test(ide)", "test(nvme)"],
            &["x86_64::block::ide", "x86_64::block::nvme"],
        );
        check(&["true"], &["machine(q35)"], &["x86_64::boot::true"]);
        check(&["true"], &["machine(pc)"], &[]);
    }

    #[test]
    fn every_wrong_header_is_reported_at_once() {
        let files = [
            ("a/one.sh", "#: smp = 0"),
            ("a/two.sh", "#: arch = [\"x86_46\"]"),
        ];
        let Err(SuiteError::Headers(faults)) = suite(&files) else {
            panic!("accepted")
        };
        let titles: Vec<_> = faults.iter().map(|fault| fault.title.as_str()).collect();
        assert_eq!(titles, ["`smp` is 0", "unknown architecture `x86_46`"]);
        assert_eq!(&faults[1].text[faults[1].span.clone()], "x86_46");
    }
}
