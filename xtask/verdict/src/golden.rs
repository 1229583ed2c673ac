//! Golden output: the expected output of a test, in a file next to it, compared line by line.
//!
//! `output.log` records the output of a test: that of the host script and the guest script, in the
//! order of arrival. `guest-tests/README.md` describes the variants of `NAME.good` and how one is
//! chosen.

use camino::{Utf8Path, Utf8PathBuf};
use qemu::Version;

pub mod bless;
pub mod compare;
pub mod filter;

/// The file extension.
pub const EXTENSION: &str = "good";
/// The prefix of a QEMU version in a name.
const QEMU: &str = "qemu-";

/// A golden file and its variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Golden {
    /// The file.
    pub path: Utf8PathBuf,
    /// Where it applies.
    pub variant: Variant,
}

/// Where golden output applies. An absent condition always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variant {
    /// The architecture.
    pub arch: Option<String>,
    /// The machine of `images/<arch>.toml`. Requires an architecture.
    pub machine: Option<String>,
    /// The oldest QEMU version.
    pub qemu: Option<Version>,
}

/// The platform of a test, as far as golden output may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoldenTarget<'a> {
    /// The architecture.
    pub arch: &'a str,
    /// The machine of `images/<arch>.toml`.
    pub machine: &'a str,
    /// The version of QEMU.
    pub qemu: Version,
}

impl Variant {
    /// Parses the part of a file name between the test's name and `.good`, such as `arch.machine`
    /// or `qemu-10.0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (place, qemu) = match text.find(QEMU) {
            Some(at) if at == 0 || text[..at].ends_with('.') => {
                let version = text[at + QEMU.len()..].parse().ok()?;
                (text[..at].trim_end_matches('.'), Some(version))
            }
            _ => (text, None),
        };
        let mut parts = place.split('.').filter(|part| !part.is_empty());
        let (arch, machine) = (parts.next(), parts.next());
        parts.next().is_none().then(|| Self {
            arch: arch.map(str::to_owned),
            machine: machine.map(str::to_owned),
            qemu,
        })
    }

    fn covers(&self, place: GoldenTarget<'_>) -> bool {
        let is = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|w| w == it);
        is(&self.arch, place.arch)
            && is(&self.machine, place.machine)
            && self.qemu.is_none_or(|oldest| oldest <= place.qemu)
    }

    /// Orders variants by the number of conditions, then by QEMU version.
    fn rank(&self) -> (bool, bool, Option<Version>) {
        (self.machine.is_some(), self.arch.is_some(), self.qemu)
    }
}

/// The most specific of a test's variants that applies to a platform.
#[must_use]
pub fn variant<'a>(golden: &'a [Golden], place: GoldenTarget<'_>) -> Option<&'a Golden> {
    let covering = golden.iter().filter(|one| one.variant.covers(place));
    covering.max_by_key(|one| one.variant.rank())
}

/// Parses a file name into the test, one of `tests`, and the variant.
#[must_use]
pub fn of_file<'a>(path: &Utf8Path, tests: &[&'a str]) -> Option<(&'a str, Variant)> {
    let stem = path.file_name()?.strip_suffix(EXTENSION)?;
    let stem = stem.strip_suffix('.')?;
    // One test's name may be a prefix of another's, so longer names are tried first.
    let mut names: Vec<_> = tests.to_vec();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().find_map(|name| {
        let rest = stem.strip_prefix(name)?;
        let rest = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix('.')?
        };
        Some((name, Variant::parse(rest)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(names: &[&str]) -> Vec<Golden> {
        let read = |name: &&str| Golden {
            path: Utf8PathBuf::from(*name),
            variant: of_file(Utf8Path::new(name), &["nic"]).unwrap().1,
        };
        names.iter().map(read).collect()
    }

    #[test]
    fn the_most_specific_variant_wins() {
        let all = [
            "nic.good",
            "nic.qemu-9.2.good",
            "nic.qemu-10.0.good",
            "nic.ppc64.good",
            "nic.ppc64.qemu-10.0.good",
            "nic.ppc64.powernv.good",
        ];
        let check = |names: &[&str], arch, machine, qemu: &str, expect: Option<&str>| {
            let place = GoldenTarget {
                arch,
                machine,
                qemu: qemu.parse().unwrap(),
            };
            let golden = golden(names);
            let found = variant(&golden, place).map(|one| one.path.as_str());
            assert_eq!(found, expect, "{place:?}");
        };
        check(&all, "x86_64", "q35", "9.0", Some("nic.good"));
        check(&all, "x86_64", "q35", "9.2.1", Some("nic.qemu-9.2.good"));
        check(&all, "x86_64", "q35", "11.0", Some("nic.qemu-10.0.good"));
        check(&all, "ppc64", "pseries", "9.2", Some("nic.ppc64.good"));
        let newer = Some("nic.ppc64.qemu-10.0.good");
        check(&all, "ppc64", "pseries", "10.0", newer);
        let machine = Some("nic.ppc64.powernv.good");
        check(&all, "ppc64", "powernv", "10.0", machine);
        check(&all[1..2], "x86_64", "q35", "8.0", None);
    }

    #[test]
    fn golden_file_belongs_to_longest_test_name() {
        let check = |name: &str, expect: Option<(&str, &str)>| {
            let found = of_file(Utf8Path::new(name), &["nic", "nic.v2"]);
            let found = found.map(|(test, variant)| (test, variant.arch.unwrap_or_default()));
            assert_eq!(
                found,
                expect.map(|(test, arch)| (test, arch.to_owned())),
                "{name}"
            );
        };
        check("net/nic.good", Some(("nic", "")));
        check("net/nic.v2.good", Some(("nic.v2", "")));
        check("net/nic.x86_64.good", Some(("nic", "x86_64")));
        check("net/nics.good", None);
        check("net/nic.a.b.c.good", None);
        check("net/nic.qemu-new.good", None);
        check("net/nicgood", None);
    }
}
