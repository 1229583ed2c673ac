//! Why a command line, or a part of it, selects no test. Used by `cargo xtask test`.
//!
//! A filter that selects nothing is an error even next to others that do, because otherwise a typo
//! would go unnoticed. Pure. The broken files of a suite are reported earlier.

use crate::{Filter, Pattern, Selected, Suite, TestFile};

/// A selection, or a part of one, without a test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unselected {
    /// A filter matches no name.
    #[error("no test matches `{filter}`")]
    Filter {
        /// The filter as on the command line.
        filter: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// No test is in a group.
    #[error("no test is in the group `{group}`")]
    Group {
        /// The group as on the command line.
        group: String,
        /// The nearest group.
        nearest: Option<String>,
    },
    /// The header of a test excludes these architectures.
    #[error("test `{name}` is {arches}")]
    OtherArch {
        /// `area::test`.
        name: String,
        /// The architectures of its header, as in `only for x86_64`.
        arches: String,
        /// The key of its header with them.
        key: &'static str,
        /// Its file.
        path: String,
    },
    /// The architecture of the test was not requested.
    #[error("tests of {arch} run only with `--arch {arch}`")]
    ArchNotRequested {
        /// The architecture.
        arch: String,
        /// `area::test`.
        name: String,
    },
    /// Each condition selects tests, but no test meets all of them.
    #[error("no test selected: no test meets every condition")]
    Nothing,
    /// All selected tests are in other partitions.
    #[error("no test selected in this partition")]
    Partition,
}

impl Unselected {
    /// The command or advice that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let list = "cargo xtask test --list";
        Some(match self {
            Self::Filter { nearest, .. } | Self::Group { nearest, .. } => match nearest {
                Some(name) => format!("did you mean `{name}`? `{list}` lists all"),
                None => list.to_owned(),
            },
            Self::OtherArch { key, path, .. } => format!("see `{key}` in its header: {path}"),
            Self::ArchNotRequested { arch, name } => {
                format!("cargo xtask test --arch {arch} {name}")
            }
            Self::Nothing | Self::Partition => list.to_owned(),
        })
    }
}

impl Suite {
    /// Why a selection, or a part of it, has no test. `None` if every part has one. `texts` are the
    /// filters as on the command line, in the order of `filter.patterns`.
    #[must_use]
    pub fn unselected(
        &self,
        filter: &Filter,
        texts: &[String],
        arches: &[String],
    ) -> Option<Unselected> {
        let all = self.select(&Filter::default(), arches);
        let filters = texts.iter().zip(&filter.patterns);
        let mut unmatched = filters.filter(|(_, pattern)| !matches(pattern, &all));
        if let Some((text, _)) = unmatched.next() {
            return Some(
                self.kept_out(text, arches)
                    .unwrap_or_else(|| self.unmatched(text)),
            );
        }
        let mut groups = filter.groups.iter();
        if let Some(group) = groups.find(|group| !all.iter().any(|it| it.test.header.is_in(group)))
        {
            let known = self.tests.iter().flat_map(|test| test.header.all_groups());
            return Some(Unselected::Group {
                group: group.clone(),
                nearest: plan::suggest::closest(group, known).map(str::to_owned),
            });
        }
        if !self.select(filter, arches).is_empty() {
            return None;
        }
        let whole = Filter {
            partition: None,
            ..filter.clone()
        };
        let is_elsewhere = filter.partition.is_some() && !self.select(&whole, arches).is_empty();
        Some(if is_elsewhere {
            Unselected::Partition
        } else {
            Unselected::Nothing
        })
    }

    fn unmatched(&self, text: &str) -> Unselected {
        let last = text.rsplit("::").next().unwrap_or(text);
        let names = self.tests.iter().map(|test| test.test.as_str());
        Unselected::Filter {
            filter: text.to_owned(),
            nearest: plan::suggest::closest(last, names).map(str::to_owned),
        }
    }

    /// A test that exists, but that its header or the command line excludes.
    fn kept_out(&self, filter: &str, arches: &[String]) -> Option<Unselected> {
        let excluded = |test: &&TestFile| !arches.iter().any(|arch| test.is_for(arch));
        let mut named = self
            .tests
            .iter()
            .filter(|test| test.name().contains(filter));
        if let Some(test) = named.find(excluded) {
            return Some(other_arch(test));
        }
        let (arch, name) = filter.split_once("::")?;
        let test = self.tests.iter().find(|test| test.name() == name)?;
        if !test.is_for(arch) {
            return Some(other_arch(test));
        }
        let is_requested = arches.iter().any(|requested| requested == arch);
        (!is_requested).then(|| Unselected::ArchNotRequested {
            arch: arch.to_owned(),
            name: name.to_owned(),
        })
    }
}

fn matches(pattern: &Pattern, all: &[Selected<'_>]) -> bool {
    let mut all = all.iter();
    all.any(|selected| pattern.matches(&selected.name(), &selected.test.name()))
}

fn other_arch(test: &TestFile) -> Unselected {
    let header = &test.header;
    let (key, meaning, arches) = if header.except_arches.is_empty() {
        ("arch", "only for", &header.arches)
    } else {
        ("except-arch", "not for", &header.except_arches)
    };
    Unselected::OtherArch {
        name: test.name(),
        arches: format!("{meaning} {}", arches.join(", ")),
        key,
        path: test.path.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use crate::files::tests::suite;

    /// The message and hint on `x86_64` alone.
    fn reported(filters: &[&str], groups: &[&str], expressions: &[&str]) -> Option<String> {
        let (_dir, suite) = suite(&[
            ("block/nvme.sh", "#: groups = [\"hotplug\"]"),
            ("block/ide.sh", "#: arch = [\"aarch64\"]"),
            ("boot/true.sh", ""),
            ("power/down.sh", "#: except-arch = [\"x86_64\"]"),
        ]);
        let texts: Vec<String> = filters.iter().map(|&text| text.to_owned()).collect();
        let filter = Filter {
            patterns: texts.iter().cloned().map(Pattern::Part).collect(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            expressions: expressions
                .iter()
                .map(|text| Expression::parse(text).unwrap())
                .collect(),
            ..Filter::default()
        };
        let found = suite.unselected(&filter, &texts, &["x86_64".to_owned()])?;
        let path = suite.dir.as_str();
        Some(format!("{found}\n{}", found.hint()?.replace(path, "DIR")))
    }

    #[test]
    fn selection_with_tests_is_not_reported() {
        for (filters, groups, expressions) in [
            (&[][..], &[][..], &[][..]),
            (&["nvme", "boot"], &[], &[]),
            (&["x86_64::block"], &["hotplug"], &["test(nvme)"]),
        ] {
            assert_eq!(reported(filters, groups, expressions), None, "{filters:?}");
        }
    }

    #[test]
    fn part_without_a_test_is_reported() {
        let check = |filters: &[&str], groups: &[&str], expressions: &[&str], expect: &str| {
            let found = reported(filters, groups, expressions);
            assert_eq!(found.as_deref(), Some(expect), "{filters:?} {groups:?}");
        };
        let typo =
            "no test matches `nvem`\ndid you mean `nvme`? `cargo xtask test --list` lists all";
        check(&["nvem"], &[], &[], typo);
        // Also next to a filter that matches.
        check(&["boot", "nvem"], &[], &[], typo);
        check(
            &["zzzzzzzz"],
            &[],
            &[],
            "no test matches `zzzzzzzz`\ncargo xtask test --list",
        );
        check(
            &["power::down"],
            &[],
            &[],
            "test `power::down` is not for x86_64\nsee `except-arch` in its header: DIR/power/down.sh",
        );
        check(
            &["down"],
            &[],
            &[],
            "test `power::down` is not for x86_64\nsee `except-arch` in its header: DIR/power/down.sh",
        );
        check(
            &["block::ide"],
            &[],
            &[],
            "test `block::ide` is only for aarch64\nsee `arch` in its header: DIR/block/ide.sh",
        );
        check(
            &["boot", "aarch64::block::nvme"],
            &[],
            &[],
            "tests of aarch64 run only with `--arch aarch64`\n\
             cargo xtask test --arch aarch64 block::nvme",
        );
        check(
            &[],
            &["hotplug", "hotplgu"],
            &[],
            "no test is in the group `hotplgu`\n\
             did you mean `hotplug`? `cargo xtask test --list` lists all",
        );
        let none = "no test selected: no test meets every condition\ncargo xtask test --list";
        check(&["boot"], &["hotplug"], &[], none);
        check(&["boot"], &[], &["test(nvme)"], none);
    }

    #[test]
    fn partition_without_a_test_is_reported() {
        let (_dir, suite) = suite(&[("boot/true.sh", "")]);
        let partition = |text: &str| {
            let filter = Filter {
                partition: Some(text.parse().unwrap()),
                ..Filter::default()
            };
            suite.unselected(&filter, &[], &["x86_64".to_owned()])
        };
        assert_eq!(partition("slice:1/2"), None);
        assert_eq!(partition("slice:2/2"), Some(Unselected::Partition));
    }
}
