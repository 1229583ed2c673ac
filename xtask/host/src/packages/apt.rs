//! Reads what apt offers from `apt-cache policy`, which changes nothing and needs no root.
//!
//! On a Debian whose QEMU tools are from backports, apt cannot install the release's own QEMU next
//! to them. They are then installed from backports with `--target-release`, because with
//! `PACKAGE/SUITE` apt does not always find the dependencies in that suite.

use std::time::Duration;

use super::table::PackageSet;
use crate::process::{Command, ProcessError};

/// Time limit for apt on a slow and busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// QEMU packages whose version must match that of other packages from the same source.
pub(super) const SIBLINGS: [&str; 3] = ["qemu-utils", "qemu-system-common", "qemu-block-extra"];

/// A substring of the version of every package from backports.
const BACKPORT: &str = "~bpo";

/// A package that apt knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Package name.
    pub name: String,
    /// The installed version.
    pub installed: Option<String>,
    /// The downloadable versions, newest first.
    pub offers: Vec<Offer>,
}

/// A downloadable version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Such as `1:10.0.2+ds-2~bpo12+1`.
    pub version: String,
    /// Base of the archive.
    pub uri: String,
    /// Such as `bookworm-backports`.
    pub suite: String,
}

/// Asks apt for these packages. Omits packages that it does not know.
pub(super) fn policy<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Package>, ProcessError> {
    let command = Command::new("apt-cache").arg("policy").args(names);
    Ok(parse(&command.env("LC_ALL", "C").read(LIMIT)?))
}

fn parse(text: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = Vec::new();
    let mut version = "";
    for line in text.lines() {
        if let (Some(name), false) = (line.strip_suffix(':'), line.starts_with(' ')) {
            packages.push(Package {
                name: name.to_owned(),
                installed: None,
                offers: Vec::new(),
            });
            continue;
        }
        let Some(package) = packages.last_mut() else {
            continue;
        };
        let mut fields = line.trim_start_matches([' ', '*']).split_whitespace();
        match (fields.next(), fields.next(), fields.next()) {
            (Some("Installed:"), Some(installed), _) if installed != "(none)" => {
                package.installed = Some(installed.to_owned());
            }
            (Some(_), Some(uri), Some(suite)) if fields.any(|field| field == "Packages") => {
                package.offers.push(Offer {
                    version: version.to_owned(),
                    uri: uri.to_owned(),
                    suite: suite.split('/').next().unwrap_or(suite).to_owned(),
                });
            }
            (Some(name), Some(_), None) if !name.ends_with(':') => version = name,
            _ => {}
        }
    }
    packages
}

/// The packages to install for a tool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Names of packages.
    pub(super) packages: Vec<String>,
    /// The suite that has them, if apt would prefer another.
    pub(super) suite: Option<String>,
    /// The line for apt's sources that makes apt offer them.
    pub(super) source: Option<String>,
}

/// Chooses the first alternative that apt offers. Without any, chooses the first, whose error names
/// what is missing.
pub(super) fn choose(sets: &[PackageSet], known: &[Package], codename: Option<&str>) -> Choice {
    let find = |name: &String| known.iter().find(|package| package.name == *name);
    let is_offered = |name| find(name).is_some_and(|package| !package.offers.is_empty());
    let set = sets.iter().find(|set| set.iter().all(is_offered));
    let Some(set) = set.or(sets.first()) else {
        return Choice::default();
    };
    let is_backport = |package: &Package| {
        let mut installed = package.installed.iter();
        SIBLINGS.contains(&package.name.as_str())
            && installed.any(|version| version.contains(BACKPORT))
    };
    let follows = known.iter().any(is_backport) && set.iter().any(|name| name.starts_with("qemu-"));
    let mut choice = Choice {
        packages: set.clone(),
        ..Choice::default()
    };
    if !follows {
        return choice;
    }
    for offers in set.iter().filter_map(find).map(|package| &package.offers) {
        let backport = offers.iter().find(|it| it.version.contains(BACKPORT));
        // The mirror of the release also has its backports.
        let release = offers.iter().find(|it| Some(it.suite.as_str()) == codename);
        if let Some(offer) = backport {
            choice.suite = Some(offer.suite.clone());
        } else if let Some(Offer { uri, suite, .. }) = release {
            choice.source = Some(format!("deb {uri} {suite}-backports main"));
            choice.suite = Some(format!("{suite}-backports"));
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = include_str!("../../data/apt/policy.txt");

    fn without_backports() -> Vec<Package> {
        let mut known = parse(POLICY);
        for package in &mut known {
            package
                .offers
                .retain(|offer| !offer.version.contains(BACKPORT));
        }
        known
    }

    #[test]
    fn policy_lists_what_can_be_downloaded() {
        let known = parse(POLICY);
        let names: Vec<&str> = known.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["qemu-utils", "qemu-system-mips", "flex", "local"]);
        let installed = known[0].installed.as_deref();
        assert_eq!(installed, Some("1:10.0.2+ds-2+deb13u1~bpo12+1"));
        let offers = |package: &Package| -> Vec<String> {
            let offers = package.offers.iter();
            offers
                .map(|offer| format!("{} {} {}", offer.version, offer.uri, offer.suite))
                .collect()
        };
        assert_eq!(known[1].installed, None);
        assert_eq!(
            offers(&known[1]),
            [
                "1:10.0.2+ds-2+deb13u1~bpo12+1 http://mirror.example.org/debian bookworm-backports",
                "1:7.2+dfsg-7+deb12u18+b3 http://mirror.example.org/debian bookworm",
                "1:7.2+dfsg-7+deb12u15 http://mirror.example.org/debian-security bookworm-security",
            ]
        );
        assert_eq!(offers(&known[3]), [""; 0]);
        assert_eq!(parse("N: Unable to locate package x\n"), []);
    }

    #[test]
    fn package_follows_its_siblings_to_backports() {
        let check = |known: &[Package], sets: &[&[&str]], expect: &[&str], suite: Option<&str>| {
            let owned = |set: &&[&str]| set.iter().map(|&name| name.to_owned()).collect();
            let sets: Vec<PackageSet> = sets.iter().map(owned).collect();
            let chosen = choose(&sets, known, Some("bookworm"));
            assert_eq!(chosen.packages, expect, "{sets:?}");
            assert_eq!(chosen.suite.as_deref(), suite, "{sets:?}");
            assert_eq!(chosen.source, None);
        };
        let known = parse(POLICY);
        let backports = Some("bookworm-backports");
        check(&known, &[&["flex"]], &["flex"], None);
        let mips = &["qemu-system-mips"][..];
        check(&known, &[mips], mips, backports);
        // The first existing alternative, or the first of all if none exists.
        check(&known, &[&["unknown"], &["flex"]], &["flex"], None);
        check(&known, &[&["flex", "unknown"], &["flex"]], &["flex"], None);
        check(&known, &[&["unknown"], &["other"]], &["unknown"], None);
        check(&known, &[&["qemu-unknown"]], &["qemu-unknown"], None);
        // Nothing is installed from backports.
        let own: Vec<Package> = known[1..].to_vec();
        check(&own, &[mips], mips, None);
    }

    #[test]
    fn missing_suite_is_added_for_its_packages() {
        let sets = [vec!["qemu-system-mips".to_owned()]];
        let chosen = choose(&sets, &without_backports(), Some("bookworm"));
        assert_eq!(chosen.packages, ["qemu-system-mips"]);
        assert_eq!(chosen.suite.as_deref(), Some("bookworm-backports"));
        let line = "deb http://mirror.example.org/debian bookworm-backports main";
        assert_eq!(chosen.source.as_deref(), Some(line));
    }
}
