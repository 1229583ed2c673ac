//! The test files below `guest-tests/`, and the selection of a run.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use plan::diagnostic::Diagnostic;
use verdict::golden::Golden;
use verdict::kind::TestKind;
use verdict::partition::Partition;

use crate::body::Body;
use crate::expression::{Expression, Subject};
use crate::header::Header;
use crate::pattern::Pattern;

/// All tests of a folder, sorted by area and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The folder, such as `guest-tests`.
    pub dir: Utf8PathBuf,
    /// The tests.
    pub tests: Vec<TestFile>,
    /// Files that cannot be used.
    pub broken: Vec<BrokenFile>,
    /// Files that are not part of the suite although they may be meant as tests, each with the
    /// reason.
    pub ignored: Vec<String>,
}

/// One test file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// The folder that contains it, such as `block`.
    pub area: String,
    /// File name without `.sh`.
    pub test: String,
    /// The script.
    pub path: Utf8PathBuf,
    /// Its header.
    pub header: Header,
    /// Its golden output by variant, if any.
    pub golden: Vec<Golden>,
}

impl TestFile {
    /// `area::test`, without an architecture.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}::{}", self.area, self.test)
    }

    /// The path of its script as messages show it.
    #[must_use]
    pub fn shown_path(&self) -> Utf8PathBuf {
        let mut parts: Vec<&str> = self.path.iter().rev().take(3).collect();
        parts.reverse();
        parts.iter().collect()
    }

    /// Whether its header permits an architecture.
    #[must_use]
    pub fn is_for(&self, arch: &str) -> bool {
        let header = &self.header;
        let has = |names: &[String]| names.iter().any(|name| name == arch);
        (header.arches.is_empty() || has(&header.arches)) && !has(&header.except_arches)
    }
}

/// An invalid test or golden output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// The name of its test, `area::test`, safe for a terminal.
    pub name: String,
    /// The errors, never empty.
    pub faults: Vec<Diagnostic>,
}

impl Suite {
    /// Adds the tests of another suite. If an area already exists, the new one is renamed.
    pub fn add(&mut self, mut tests: Vec<TestFile>) {
        let Some(first) = tests.first() else { return };
        let area = first.area.clone();
        let is_taken = |name: &str| self.tests.iter().any(|test| test.area == name);
        let mut names = (2_u32..).map(|number| format!("{area}-{number}"));
        if is_taken(&area)
            && let Some(free) = names.find(|name| !is_taken(name))
        {
            for test in &mut tests {
                test.area.clone_from(&free);
            }
        }
        self.tests.extend(tests);
    }

    /// The names of all tests without architectures, including those of broken files.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let tests = self.tests.iter().map(TestFile::name);
        tests.chain(self.broken.iter().map(|broken| broken.name.clone()))
    }

    /// Splits the broken files into those that a filter selects on some architecture, and the
    /// others. Only names can select them, because their groups and devices are unknown.
    #[must_use]
    pub fn broken(
        &self,
        filter: &Filter,
        arches: &[String],
    ) -> (Vec<&BrokenFile>, Vec<&BrokenFile>) {
        let is_selected = |broken: &&BrokenFile| {
            let by_name = filter.patterns.is_empty()
                || arches.iter().any(|arch| {
                    let whole = format!("{arch}::{}", broken.name);
                    let mut patterns = filter.patterns.iter();
                    patterns.any(|pattern| pattern.matches(&whole, &broken.name))
                });
            by_name
                && filter.groups.is_empty()
                && filter.kinds.is_empty()
                && filter.expressions.is_empty()
        };
        self.broken.iter().partition(is_selected)
    }

    /// Names in a filter's expressions that match no test, independently of the rest of the filter.
    #[must_use]
    pub fn unknown(&self, filter: &Filter, arches: &[String]) -> Vec<Diagnostic> {
        self.with_subjects(filter, arches, |subjects| {
            let expressions = filter.expressions.iter();
            expressions
                .flat_map(|expression| expression.unknown(subjects))
                .collect()
        })
    }

    /// Calls a function with the properties of all tests on these architectures.
    pub fn with_subjects<T>(
        &self,
        filter: &Filter,
        arches: &[String],
        call: impl FnOnce(&[Subject<'_>]) -> T,
    ) -> T {
        let everything = self.select(&Filter::default(), arches);
        let names: Vec<String> = everything.iter().map(Selected::name).collect();
        let subjects = everything.iter().zip(&names);
        let subjects: Vec<_> = subjects
            .map(|(selected, name)| filter.subject(selected, name))
            .collect();
        call(&subjects)
    }

    /// The tests of a run, each with its architecture: by test, then in the order of `arches`.
    #[must_use]
    pub fn select<'a>(&'a self, filter: &Filter, arches: &'a [String]) -> Vec<Selected<'a>> {
        let pairs = self.tests.iter().flat_map(|test| {
            let mine = arches.iter().filter(|arch| test.is_for(arch));
            // Without a guest it is the same test on every architecture.
            let most = if test.header.body.needs().boots() {
                arches.len()
            } else {
                1
            };
            mine.take(most).map(move |arch| Selected { arch, test })
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

/// The selection of a run. An empty filter selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these must match the name, unless empty.
    pub patterns: Vec<Pattern>,
    /// The test must be in one of these groups, unless empty.
    pub groups: Vec<String>,
    /// The test must be of one of these kinds, unless empty.
    pub kinds: Vec<TestKind>,
    /// One of these must select the test, unless empty.
    pub expressions: Vec<Expression>,
    /// The default machine of each architecture, which expressions may refer to.
    pub machines: BTreeMap<String, String>,
    /// The part of the selected tests that runs on this host.
    pub partition: Option<Partition>,
}

impl Filter {
    /// Whether it selects a test.
    #[must_use]
    pub fn admits(&self, selected: &Selected<'_>) -> bool {
        let name = selected.name();
        let short = selected.test.name();
        let matches = |pattern: &Pattern| pattern.matches(&name, &short);
        let header = &selected.test.header;
        (self.patterns.is_empty() || self.patterns.iter().any(matches))
            && (self.groups.is_empty() || self.groups.iter().any(|group| header.is_in(group)))
            && (self.kinds.is_empty() || self.kinds.contains(&header.body.kind()))
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

    /// Why a selected test does not run unless its group or full name is given.
    #[must_use]
    pub fn passes_over(&self, selected: &Selected<'_>) -> Option<String> {
        let Body::Suite(test) = &selected.test.header.body else {
            return None;
        };
        let (name, short) = (selected.name(), selected.test.name());
        let mut patterns = self.patterns.iter();
        let is_named =
            patterns.any(|it| matches!(it, Pattern::Exact(_)) && it.matches(&name, &short));
        let is_asked_for = is_named || !self.groups.is_empty();
        (test.is_manual() && !is_asked_for)
            .then(|| "runs only if its group or its whole name is given".to_owned())
    }

    /// The properties of a test for expressions. `name` is its full name.
    #[must_use]
    pub fn subject<'a>(&'a self, selected: &Selected<'a>, name: &'a str) -> Subject<'a> {
        let header = &selected.test.header;
        let default = self.machines.get(selected.arch).map(String::as_str);
        Subject {
            name,
            arch: selected.arch,
            kind: header.body.kind().label(),
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

#[cfg(test)]
pub(crate) mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::pattern::Names;

    const GUEST: &str = "in_guest() { true; }\n";

    pub(crate) fn suite(files: &[(&str, &str)]) -> (tempfile::TempDir, Suite) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().join("guest-tests");
        for (path, header) in files {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, format!("{header}\n{GUEST}")).unwrap();
        }
        let suite = Suite::load(&root, &["aarch64".to_owned(), "x86_64".to_owned()]);
        (dir, suite.unwrap())
    }

    fn in_suite<'a>(suite: &'a Suite, all: &'a [String]) -> Names<'a> {
        Names {
            dir: &suite.dir,
            all,
            here: Utf8Path::new("/"),
        }
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
        .1
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
    fn excepted_architecture_has_no_test() {
        let (_dir, suite) = suite(&[
            ("block/ide.sh", "#: except-arch = [\"aarch64\"]"),
            (
                "broken/both.sh",
                "#: arch = [\"x86_64\"]\n#: except-arch = [\"aarch64\"]",
            ),
            ("broken/typo.sh", "#: except-arch = [\"x86_46\"]"),
        ]);
        let names = names(&suite, &Filter::default(), &["x86_64", "aarch64"]);
        assert_eq!(names, ["x86_64::block::ide"]);
        let titles: Vec<_> = suite.broken.iter().map(|it| &it.faults[0].title).collect();
        let typo = "unknown architecture `x86_46`";
        assert_eq!(titles, ["both `arch` and `except-arch`", typo]);
    }

    #[test]
    fn filter_matches_parts_of_full_name() {
        let suite = example();
        let check = |patterns: &[&str], exact, groups: &[&str], expect: &[&str]| {
            let all: Vec<_> = suite.names().collect();
            let parse = |text: &&str| Pattern::parse(text, exact, in_suite(&suite, &all));
            let filter = Filter {
                patterns: patterns.iter().map(parse).collect(),
                groups: groups.iter().map(|&group| group.to_owned()).collect(),
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
    fn host_test_runs_once_for_all_architectures() {
        let (_dir, suite) = suite(&[("a/guest.sh", "")]);
        let host = "#: kind = \"host\"\nin_host() { :; }\n";
        fs_err::write(suite.dir.join("a/host.sh"), host).unwrap();
        let suite = Suite::load(&suite.dir, &["aarch64".to_owned(), "x86_64".to_owned()]).unwrap();
        let check = |kinds: &[TestKind], text: Option<&str>, expect: &[&str]| {
            let filter = Filter {
                kinds: kinds.to_vec(),
                expressions: text
                    .map(|text| Expression::parse(text).unwrap())
                    .into_iter()
                    .collect(),
                ..Filter::default()
            };
            assert_eq!(names(&suite, &filter, &["x86_64", "aarch64"]), expect);
        };
        let guests = ["x86_64::a::guest", "aarch64::a::guest"];
        let host = ["x86_64::a::host"];
        check(&[], None, &[&guests[..], &host].concat());
        check(&[TestKind::Guest], None, &guests);
        check(&[TestKind::Host], None, &host);
        check(&[], Some("kind(host)"), &host);
        check(&[], Some("not kind(=host)"), &guests);
    }

    #[test]
    fn stray_golden_file_is_an_error() {
        let area = [("net/nic.sh", ""), ("net/nic.good", "")];
        let by_arch = ("net/nic.aarch64.good", "");
        let suite_of = |more: &[(&str, &str)]| suite(&[&area, more].concat());
        let golden = &suite_of(&[by_arch]).1.tests[0].golden;
        let names = golden.iter().filter_map(|one| one.path.file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["nic.aarch64.good", "nic.good"]);
        let check = |stray: &str, title: &str, help: &str| {
            let broken = suite_of(&[(stray, "")]).1.broken;
            let [file] = &broken[..] else {
                panic!("{broken:?}")
            };
            let fault = &file.faults[0];
            assert!(fault.title.ends_with(title), "{}", fault.title);
            assert_eq!(fault.help.as_deref(), Some(help));
        };
        let meant = "did you mean `nic.good`?";
        check("net/nik.good", "net/nik.good` belongs to no test", meant);
        let known = "the architectures are aarch64, x86_64";
        check("net/nic.arm.good", "unknown architecture `arm`", known);
    }

    #[test]
    fn expression_narrows_the_patterns() {
        let suite = example();
        let machines = BTreeMap::from([("x86_64".to_owned(), "q35".to_owned())]);
        let check = |patterns: &[&str], texts: &[&str], expect: &[&str]| {
            let filter = Filter {
                patterns: patterns
                    .iter()
                    .map(|&text| Pattern::Part(text.to_owned()))
                    .collect(),
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
    fn broken_file_counts_only_where_it_is_selected() {
        let (_dir, suite) = suite(&[
            ("a/good.sh", ""),
            ("a/one.sh", "#: smp = 0"),
            ("a/two.sh", "#: arch = [\"x86_46\"]"),
        ]);
        let titles: Vec<_> = suite.broken.iter().map(|it| &it.faults[0].title).collect();
        assert_eq!(titles, ["`smp` is 0", "unknown architecture `x86_46`"]);
        let fault = &suite.broken[1].faults[0];
        assert_eq!(&fault.text[fault.span.clone()], "x86_46");
        assert_eq!(suite.tests.len(), 1);

        let check = |patterns: &[&str], groups: &[&str], expect: &[&str]| {
            let all: Vec<_> = suite.names().collect();
            let parse = |text: &&str| Pattern::parse(text, false, in_suite(&suite, &all));
            let filter = Filter {
                patterns: patterns.iter().map(parse).collect(),
                groups: groups.iter().map(|&group| group.to_owned()).collect(),
                ..Filter::default()
            };
            let (selected, others) = suite.broken(&filter, &["x86_64".to_owned()]);
            let names: Vec<_> = selected.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, expect, "{filter:?}");
            assert_eq!(selected.len() + others.len(), 2);
        };
        check(&[], &[], &["a::one", "a::two"]);
        check(&["a::"], &[], &["a::one", "a::two"]);
        check(&["a::one"], &[], &["a::one"]);
        check(&["guest-tests/a/two.sh"], &[], &["a::two"]);
        check(&["x86_64::a::two"], &[], &["a::two"]);
        check(&["a::good"], &[], &[]);
        check(&[], &["hotplug"], &[]);
    }
}
