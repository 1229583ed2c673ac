//! An older release of programs than the installed one, unpacked and not installed: `cargo xtask ci`
//! runs a part of the guest tests with the older QEMU that apt still offers.
//!
//! Only apt keeps several versions of a package; elsewhere there is nothing to unpack.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::table::{Manager, PackageSet, Table};
use crate::process::Command;
use crate::tools;

/// How long apt may take for one package.
const LIMIT: Duration = Duration::from_secs(300);

/// An unpacked release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The upstream version, such as `7.2`.
    pub version: String,
    /// The directory of its programs.
    pub programs: Utf8PathBuf,
}

/// Why there is no older release.
#[derive(Debug, thiserror::Error)]
pub enum OlderError {
    /// The host has no apt.
    #[error("this host has no apt")]
    NoApt,
    /// All versions that apt offers are the same release.
    #[error("apt offers no older version of `{package}`")]
    Newest {
        /// The package.
        package: String,
    },
    /// A command or the file system failed.
    #[error("failed to unpack `{package}`: {why}")]
    Unpack {
        /// The package.
        package: String,
        /// What went wrong.
        why: String,
    },
}

/// Unpacks the oldest release that apt offers of the packages that bring `programs` into a directory
/// below `into`, with `companions`, the packages that these need to run.
pub fn unpack_older(
    programs: &[String],
    companions: &[&str],
    into: &Utf8Path,
) -> Result<Unpacked, OlderError> {
    if tools::find("apt-get").is_none() || tools::find("dpkg-deb").is_none() {
        return Err(OlderError::NoApt);
    }
    let mut packages: Vec<String> = programs.iter().filter_map(|name| package(name)).collect();
    let first = packages.first().cloned().unwrap_or_default();
    let release = oldest(&offered(&first)?).ok_or(OlderError::Newest { package: first })?;
    packages.extend(companions.iter().map(|&name| name.to_owned()));
    let root = into.join(&release);
    if !root.is_dir() {
        // Renamed when it is complete.
        let partial = into.join("partial");
        if partial.is_dir() {
            fs_err::remove_dir_all(&partial).map_err(|error| OlderError::Unpack {
                package: partial.to_string(),
                why: error.to_string(),
            })?;
        }
        for package in &packages {
            unpack(package, &release, &partial).map_err(|why| OlderError::Unpack {
                package: package.clone(),
                why,
            })?;
        }
        fs_err::rename(partial.join("root"), &root).map_err(|error| OlderError::Unpack {
            package: root.to_string(),
            why: error.to_string(),
        })?;
    }
    Ok(Unpacked {
        programs: root.join("usr/bin"),
        version: release,
    })
}

/// The package that apt has for a program.
fn package(program: &str) -> Option<String> {
    let known = |set: &PackageSet| {
        let mut names = set.iter();
        names.all(|name| offered(name).is_ok_and(|versions| !versions.is_empty()))
    };
    let alternatives = Table::get().alternatives(program, Manager::Apt);
    alternatives.into_iter().find(known)?.into_iter().next()
}

/// The versions that apt offers of a package, newest first.
fn offered(package: &str) -> Result<Vec<String>, OlderError> {
    let listing = Command::new("apt-cache")
        .args(["madison", package])
        .env("LC_ALL", "C")
        .read(LIMIT);
    let listing = listing.map_err(|error| OlderError::Unpack {
        package: package.to_owned(),
        why: error.to_string(),
    })?;
    Ok(versions(&listing))
}

/// Of lines as `PACKAGE | VERSION | SOURCE`.
fn versions(listing: &str) -> Vec<String> {
    let version = |line: &str| {
        let mut fields = line.split('|').map(str::trim);
        let (_, version, source) = (fields.next()?, fields.next()?, fields.next()?);
        source.ends_with("Packages").then(|| version.to_owned())
    };
    listing.lines().filter_map(version).collect()
}

/// The upstream part of a Debian version: `7.2` of `1:7.2+dfsg-7+deb12u18`.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    version.get(..end.unwrap_or(version.len())).unwrap_or("")
}

/// The oldest release, if there are several.
fn oldest(versions: &[String]) -> Option<String> {
    let numbers = |release: &&str| -> Vec<u32> {
        let parts = release.split('.');
        parts.map(|part| part.parse().unwrap_or(0)).collect()
    };
    let releases: Vec<&str> = versions.iter().map(|version| upstream(version)).collect();
    let oldest = releases.iter().copied().min_by_key(numbers)?;
    let newest = releases.iter().copied().max_by_key(numbers)?;
    (oldest != newest).then(|| oldest.to_owned())
}

/// Downloads a package and unpacks it into `into/root`.
fn unpack(package: &str, release: &str, into: &Utf8Path) -> Result<(), String> {
    let versions = offered(package).map_err(|error| error.to_string())?;
    // A companion from another source has versions of its own: any will do.
    let same = versions.iter().find(|version| upstream(version) == release);
    let version = same.or(versions.first()).ok_or("apt does not know it")?;
    let download = into.join(package);
    fs_err::create_dir_all(&download).map_err(|error| error.to_string())?;
    Command::new("apt-get")
        .args(["download", "-q", &format!("{package}={version}")])
        .current_dir(&download)
        .read(LIMIT)
        .map_err(|error| error.to_string())?;
    let root = into.join("root");
    for file in download
        .read_dir_utf8()
        .map_err(|error| error.to_string())?
    {
        let file = file.map_err(|error| error.to_string())?;
        Command::new("dpkg-deb")
            .args(["-x", file.path().as_str(), root.as_str()])
            .read(LIMIT)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_listing_of_apt() {
        let listing = "\
qemu-system-x86 | 1:10.0.2+ds-2~bpo12+1 | http://mirror/debian backports/main amd64 Packages
qemu-system-x86 | 1:7.2+dfsg-7+deb12u18+b3 | http://mirror/debian stable/main amd64 Packages
      qemu | 1:7.2+dfsg-7 | http://mirror/debian stable/main Sources
";
        let expect = ["1:10.0.2+ds-2~bpo12+1", "1:7.2+dfsg-7+deb12u18+b3"];
        assert_eq!(versions(listing), expect);
        assert_eq!(versions("N: Unable to locate package x\n"), [""; 0]);
    }

    #[test]
    fn oldest_release_is_found_by_its_upstream_version() {
        let check = |versions: &[&str], expect: Option<&str>| {
            let versions: Vec<String> = versions.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(oldest(&versions).as_deref(), expect, "{versions:?}");
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
