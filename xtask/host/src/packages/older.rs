//! Unpacks an older release of installed programs, without installing it. `cargo xtask ci` runs
//! some guest tests with an older QEMU that apt still offers.
//!
//! Only apt keeps several versions of a package. Other package managers are not supported.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::apt::{self, Offer, Package};
use super::table::{Manager, Table};
use crate::process::{Command, ProcessError};
use crate::tools;

/// Time limit per package.
const LIMIT: Duration = Duration::from_secs(300);

/// An unpacked release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The upstream version, such as `7.2`.
    pub version: String,
    /// The directory of its programs.
    pub programs: Utf8PathBuf,
}

/// Why the older release cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum OlderError {
    /// The host has no apt.
    #[error("this host has no apt")]
    NoApt,
    /// All versions that apt offers belong to the same release.
    #[error("apt offers no older version of `{package}`")]
    Newest {
        /// Package name.
        package: String,
    },
    /// A command failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Unpacks the oldest release that apt offers of the packages that contain `programs` into a
/// directory below `into`, together with `companions`, which these packages need to run.
pub fn unpack_older(
    programs: &[String],
    companions: &[&str],
    into: &Utf8Path,
) -> Result<Unpacked, OlderError> {
    if tools::find("apt-get").is_none() || tools::find("dpkg-deb").is_none() {
        return Err(OlderError::NoApt);
    }
    let sets = programs
        .iter()
        .flat_map(|program| Table::get().alternatives(program, Manager::Apt));
    let names: Vec<String> = sets.flatten().collect();
    let names = names
        .iter()
        .map(String::as_str)
        .chain(companions.iter().copied());
    let mut packages = apt::policy(names)?;
    packages.retain(|package| !package.offers.is_empty());
    let newest = || OlderError::Newest {
        package: packages
            .first()
            .map_or_else(String::new, |package| package.name.clone()),
    };
    let first = packages.first().map_or(&[][..], |package| &package.offers);
    let release = oldest(first).ok_or_else(newest)?;
    // An alternative name may exist only in the newer release. A companion from another source
    // package has other versions, and any of them works.
    packages.retain(|package| {
        companions.contains(&package.name.as_str()) || package.offer_of(&release).is_some()
    });
    let root = into.join(&release);
    if !root.is_dir() {
        // The final name marks a complete directory.
        let partial = into.join("partial");
        if partial.is_dir() {
            fs_err::remove_dir_all(&partial)?;
        }
        for package in &packages {
            unpack(package, &release, &partial)?;
        }
        fs_err::rename(partial.join("root"), &root)?;
    }
    Ok(Unpacked {
        programs: root.join("usr/bin"),
        version: release,
    })
}

impl Package {
    fn offer_of(&self, release: &str) -> Option<&Offer> {
        let mut offers = self.offers.iter();
        offers.find(|offer| upstream(&offer.version) == release)
    }
}

/// The upstream part of a Debian version: `7.2` of `1:7.2+dfsg-7+deb12u18`.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    version.get(..end.unwrap_or(version.len())).unwrap_or("")
}

/// The oldest release, if there is more than one.
fn oldest(offers: &[Offer]) -> Option<String> {
    let numbers = |release: &&str| -> Vec<u32> {
        let parts = release.split('.');
        parts.map(|part| part.parse().unwrap_or(0)).collect()
    };
    let releases = || offers.iter().map(|offer| upstream(&offer.version));
    let oldest = releases().min_by_key(numbers)?;
    let newest = releases().max_by_key(numbers)?;
    (oldest != newest).then(|| oldest.to_owned())
}

/// Downloads a package and unpacks it into `into/root`.
fn unpack(package: &Package, release: &str, into: &Utf8Path) -> Result<(), OlderError> {
    let offer = package.offer_of(release).or(package.offers.first());
    let version = offer.map_or("", |offer| &offer.version);
    let download = into.join(&package.name);
    fs_err::create_dir_all(&download)?;
    Command::new("apt-get")
        .args(["download", "-q", &format!("{}={version}", package.name)])
        .current_dir(&download)
        .read(LIMIT)?;
    let root = into.join("root");
    for file in download.read_dir_utf8()? {
        Command::new("dpkg-deb")
            .args(["-x", file?.path().as_str(), root.as_str()])
            .read(LIMIT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_release_is_found_by_its_upstream_version() {
        let check = |versions: &[&str], expect: Option<&str>| {
            let offer = |version: &&str| Offer {
                version: (*version).to_owned(),
                uri: String::new(),
                suite: String::new(),
            };
            let offers: Vec<Offer> = versions.iter().map(offer).collect();
            assert_eq!(oldest(&offers).as_deref(), expect, "{versions:?}");
        };
        check(
            &["1:10.0.2+ds-2~bpo12+1", "1:7.2+dfsg-7+deb12u18"],
            Some("7.2"),
        );
        check(&["1:8.2.2+ds-0ubuntu1.4", "1:8.2.2+ds-0ubuntu1"], None);
        check(&["1:8.2.10+ds-1", "1:8.2.9+ds-1"], Some("8.2.9"));
        check(&["10.0"], None);
        check(&[], None);
    }
}
