//! `--bless`: plans which golden files to write, then writes them.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::{EXTENSION, Golden, GoldenTarget, variant};

/// Whether golden output is compared or written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Blessing {
    /// Compares it.
    #[default]
    No,
    /// Rewrites existing files.
    Existing,
    /// Writes files, also for tests without any.
    Every,
}

/// A passed test and its filtered output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blessed<'a> {
    /// The test's script.
    pub script: &'a Utf8Path,
    /// Its golden output.
    pub golden: &'a [Golden],
    /// The platform it ran on.
    pub place: GoldenTarget<'a>,
    /// Its output.
    pub printed: String,
}

/// The files to write, and the refused tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Texts by file.
    pub files: BTreeMap<Utf8PathBuf, String>,
    /// One line per refused test.
    pub refused: Vec<String>,
}

/// Plans the files for the tests of a run, in order. Each test rewrites its most specific existing
/// variant. If two tests that share one differ, the first gets it and the other gets a variant for
/// its architecture.
#[must_use]
pub fn plan(tests: &[Blessed<'_>], blessing: Blessing) -> Plan {
    let mut plan = Plan::default();
    let mut first: BTreeMap<Utf8PathBuf, &str> = BTreeMap::new();
    for test in tests {
        let own = |suffix: &str| test.script.with_extension(format!("{suffix}{EXTENSION}"));
        let shared = match (variant(test.golden, test.place), blessing) {
            (Some(golden), Blessing::Existing | Blessing::Every) => golden.path.clone(),
            (None, Blessing::Every) => own(""),
            _ => continue,
        };
        let arch = test.place.arch;
        let owner = *first.entry(shared.clone()).or_insert(arch);
        let mut says = |path: &Utf8PathBuf| {
            let text = plan.files.entry(path.clone());
            *text.or_insert_with(|| test.printed.clone()) == test.printed
        };
        if says(&shared) {
            continue;
        }
        let fresh = owner != arch && says(&own(&format!("{arch}.")));
        if !fresh {
            plan.refused.push(format!(
                "`{}` has different output in each round: add a filter for the parts that vary",
                test.script
            ));
        }
    }
    plan
}

impl Plan {
    /// Writes the files that differ and returns their paths.
    pub fn write(&self) -> io::Result<Vec<Utf8PathBuf>> {
        let mut written = Vec::new();
        for (path, text) in &self.files {
            if fs_err::read(path).is_ok_and(|old| old == text.as_bytes()) {
                continue;
            }
            fs_err::write(path, text)?;
            written.push(path.clone());
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::super::of_file;
    use super::*;

    fn check(
        existing: &[&str],
        blessing: Blessing,
        printed: &[(&str, &str)],
        expect: &[&str],
        refused: usize,
    ) {
        let golden: Vec<Golden> = existing
            .iter()
            .map(|name| Golden {
                path: Utf8PathBuf::from(*name),
                variant: of_file(Utf8Path::new(name), &["nic"]).unwrap().1,
            })
            .collect();
        let tests: Vec<_> = printed
            .iter()
            .map(|(arch, text)| Blessed {
                script: Utf8Path::new("net/nic.sh"),
                golden: &golden,
                place: GoldenTarget {
                    arch,
                    machine: "virt",
                    qemu: qemu::Version::new(10, 0, 0),
                },
                printed: (*text).to_owned(),
            })
            .collect();
        let plan = plan(&tests, blessing);
        let files = plan.files.iter();
        let files: Vec<_> = files.map(|(path, text)| format!("{path}={text}")).collect();
        assert_eq!((files, plan.refused.len()), (own(expect), refused));
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn bless_writes_only_the_most_specific_variant() {
        use Blessing::{Every, Existing, No};
        let all = ["net/nic.good", "net/nic.ppc64.good"];
        check(&all, No, &[("ppc64", "a")], &[], 0);
        check(
            &all,
            Existing,
            &[("ppc64", "a")],
            &["net/nic.ppc64.good=a"],
            0,
        );
        check(&all, Every, &[("x86_64", "a")], &["net/nic.good=a"], 0);
        check(&[], Existing, &[("x86_64", "a")], &[], 0);
        check(&[], Every, &[("x86_64", "a")], &["net/nic.good=a"], 0);
    }

    #[test]
    fn architectures_that_differ_do_not_overwrite_each_other() {
        let differ = [("aarch64", "a"), ("ppc64", "b"), ("x86_64", "a")];
        let files = ["net/nic.good=a", "net/nic.ppc64.good=b"];
        check(&[], Blessing::Every, &differ, &files, 0);
        check(&["net/nic.good"], Blessing::Existing, &differ, &files, 0);
    }

    #[test]
    fn output_varying_between_rounds_is_refused() {
        let rounds = [("ppc64", "a"), ("ppc64", "b"), ("ppc64", "c")];
        let own = ["net/nic.ppc64.good"];
        check(
            &own,
            Blessing::Every,
            &rounds[..2],
            &["net/nic.ppc64.good=a"],
            1,
        );
        check(&[], Blessing::Every, &rounds, &["net/nic.good=a"], 2);
    }
}
