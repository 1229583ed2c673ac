//! The facts about the host's package manager: read and asked once, changing nothing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::apt::{Apt, Simulation, backports_suite, read_simulation};
use super::table::{PackageSet, Table};
use super::{Facts, Manager, SourceEntry, merged, parse_deb822, parse_list, plan_setup};
use crate::clock;
use crate::env::Env;
use crate::process::{Command, ProcessError};
use crate::tools;

/// How long a simulation may take, on a slow and busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Those of the tools that are not there: programs on PATH, or files for the needs that are files.
#[must_use]
pub fn missing(tools: &[String], env: &Env) -> Vec<String> {
    let there = |tool: &String| match Table::get().files(tool) {
        [] => tools::find_in(tool, &env.path).is_some(),
        files => files.iter().any(|file| Utf8Path::new(file).exists()),
    };
    let mut missing: Vec<String> = tools.iter().filter(|tool| !there(tool)).cloned().collect();
    missing.sort();
    missing.dedup();
    missing
}

/// Asks the host how it could get the missing tools.
pub fn gather(missing: &[String], env: &Env) -> Result<Facts, ProcessError> {
    let mut release = ["/etc/os-release", "/usr/lib/os-release"].iter();
    let release = release.find_map(|path| fs_err::read_to_string(path).ok());
    let release = OsRelease::parse(&release.unwrap_or_default());
    let present = |program: &str| tools::find_in(program, &env.path).is_some();
    let manager = detect(&release, present);
    let elevate = ["sudo", "doas"]
        .into_iter()
        .find(|program| present(program));
    let apt = match manager {
        Some(Manager::Apt) if !missing.is_empty() => Some(ask_apt(missing, &release)?),
        _ => None,
    };
    Ok(Facts {
        manager,
        system: release.name,
        codename: release.codename,
        root: env.root,
        elevate: elevate.map(str::to_owned),
        apt,
    })
}

/// The commands that bring programs into another system, below a directory of this host; none where
/// its package manager is unknown.
#[must_use]
pub fn commands_below(root: &Utf8Path, missing: &[String]) -> Option<String> {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let mut release = ["/etc/os-release", "/usr/lib/os-release"].iter();
    let release = release.find_map(|path| fs_err::read_to_string(inside(path)).ok());
    let release = OsRelease::parse(&release.unwrap_or_default());
    let places = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let present = |program: &str| {
        let mut files = places.iter().map(|place| inside(place).join(program));
        files.any(|file| file.exists())
    };
    let facts = Facts {
        manager: detect(&release, present),
        system: release.name,
        root: true,
        ..Facts::default()
    };
    let setup = plan_setup(missing, &facts);
    let commands = setup.commands.iter();
    let commands: Vec<String> = commands
        .map(|command| format!("chroot {root} {command}"))
        .collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The manager of the system that this is, else the first that is there.
fn detect(release: &OsRelease, present: impl Fn(&str) -> bool) -> Option<Manager> {
    let table = Table::get();
    let there = || {
        table
            .managers()
            .filter(|(_, commands)| present(&commands.program))
    };
    let own = there().find(|(_, commands)| {
        release
            .like
            .iter()
            .any(|id| commands.systems.iter().any(|system| is_system(id, system)))
    });
    own.or_else(|| there().next()).map(|(manager, _)| manager)
}

/// `opensuse-leap` is `opensuse`.
fn is_system(id: &str, system: &str) -> bool {
    id == system
        || id
            .strip_prefix(system)
            .is_some_and(|rest| rest.starts_with('-'))
}

/// What os-release(5) says.
#[derive(Debug, Default, PartialEq, Eq)]
struct OsRelease {
    name: String,
    codename: Option<String>,
    /// `ID`, then `ID_LIKE`.
    like: Vec<String>,
}

impl OsRelease {
    fn parse(text: &str) -> Self {
        let field = |wanted: &str| {
            let mut pairs = text.lines().rev().filter_map(|line| line.split_once('='));
            let value = pairs.find(|(name, _)| name.trim() == wanted);
            value.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let ids = [field("ID"), field("ID_LIKE")].into_iter().flatten();
        let like = ids.flat_map(|ids| {
            ids.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        Self {
            name: field("PRETTY_NAME").unwrap_or_else(|| "this system".to_owned()),
            codename: field("VERSION_CODENAME").filter(|name| !name.is_empty()),
            like: like.collect(),
        }
    }
}

fn ask_apt(missing: &[String], release: &OsRelease) -> Result<Apt, ProcessError> {
    let sources = read_sources(Utf8Path::new("/etc/apt"));
    let lists_age = lists_age(Utf8Path::new("/var/lib/apt/lists"));
    let mut apt = Apt {
        sources,
        lists_age,
        ..Apt::default()
    };
    if lists_age.is_none() {
        return Ok(apt);
    }
    let needs = missing
        .iter()
        .map(|tool| Table::get().alternatives(tool, Manager::Apt));
    let needs: Vec<Vec<PackageSet>> = needs.collect();
    let first: Vec<&PackageSet> = needs.iter().filter_map(|sets| sets.first()).collect();
    let together = merged(&first);
    let outcome = simulate(&together, None)?;
    let fine = outcome == Simulation::Fine;
    apt.release.insert(together, outcome);
    if fine {
        return Ok(apt);
    }
    let suite = release.codename.as_deref().map(backports_suite);
    let suite = suite.filter(|suite| SourceEntry::of_suite(&apt.sources, suite).is_some());
    for set in needs.iter().flatten().map(|set| merged(&[set])) {
        simulate_once(&mut apt.release, set.clone(), None)?;
        if let Some(suite) = suite.as_deref() {
            simulate_once(&mut apt.backports, set, Some(suite))?;
        }
    }
    Ok(apt)
}

fn simulate_once(
    known: &mut BTreeMap<Vec<String>, Simulation>,
    packages: PackageSet,
    suite: Option<&str>,
) -> Result<(), ProcessError> {
    if let Entry::Vacant(entry) = known.entry(packages) {
        let outcome = simulate(entry.key(), suite)?;
        entry.insert(outcome);
    }
    Ok(())
}

/// Asks apt what it would do. Changes nothing and needs no root.
fn simulate(packages: &[String], suite: Option<&str>) -> Result<Simulation, ProcessError> {
    let mut command =
        Command::new("apt-get").args(["-s", "install", "--no-install-recommends", "--no-remove"]);
    if let Some(suite) = suite {
        command = command.args(["-t", suite]);
    }
    let output = command.args(packages).env("LC_ALL", "C").output(LIMIT)?;
    Ok(read_simulation(&output))
}

/// All entries of apt's configuration; a file that cannot be read is passed over, as apt will say.
fn read_sources(root: &Utf8Path) -> Vec<SourceEntry> {
    let parts = fs_err::read_dir(root.join("sources.list.d"));
    let parts = parts.map(|parts| parts.filter_map(Result::ok).map(|part| part.path()));
    let mut files: Vec<Utf8PathBuf> = parts
        .map(|parts| {
            parts
                .filter_map(|path| Utf8PathBuf::from_path_buf(path).ok())
                .collect()
        })
        .unwrap_or_default();
    files.push(root.join("sources.list"));
    files.sort();
    let parse = |path: &Utf8PathBuf| {
        let text = fs_err::read_to_string(path).unwrap_or_default();
        match path.extension() {
            Some("sources") => parse_deb822(&text),
            Some("list") => parse_list(&text),
            _ => Vec::new(),
        }
    };
    files.iter().flat_map(parse).collect()
}

/// How long ago the newest package list was written.
fn lists_age(directory: &Utf8Path) -> Option<Duration> {
    let entries = fs_err::read_dir(directory).ok()?.filter_map(Result::ok);
    let lists = entries.filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
    // apt gives a list the server's time and notes its own work in the directory.
    lists.last()?;
    let written = fs_err::metadata(directory).ok()?.modified().ok()?;
    Some(clock::now().duration_since(written).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn foreign_root_uses_its_own_manager() {
        let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "below").expect("made");
        let root = scratch.path();
        let missing = ["flex".to_owned(), "cc".to_owned()];
        assert_eq!(commands_below(root, &missing), None);
        for directory in ["etc", "sbin"] {
            fs_err::create_dir(root.join(directory)).expect("made");
        }
        fs_err::write(root.join("etc/os-release"), "ID=alpine\n").expect("written");
        fs_err::write(root.join("sbin/apk"), "").expect("written");
        let expect =
            format!("chroot {root} apk add --update-cache flex gcc linux-headers musl-dev");
        assert_eq!(commands_below(root, &missing), Some(expect));
    }

    #[test]
    fn native_package_manager_wins() {
        let check = |ids: &str, present: &[&str], expect: Option<Manager>| {
            let release = OsRelease::parse(ids);
            assert_eq!(
                detect(&release, |program| present.contains(&program)),
                expect,
                "{ids}"
            );
        };
        check("ID=debian\n", &["apt-get"], Some(Manager::Apt));
        check(
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
            &["apt-get"],
            Some(Manager::Apt),
        );
        check("ID=fedora\n", &["apt-get", "dnf"], Some(Manager::Dnf));
        check(
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
            &["dnf"],
            Some(Manager::Dnf),
        );
        check(
            "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
            &["zypper"],
            Some(Manager::Zypper),
        );
        check("ID=alpine\n", &["apk"], Some(Manager::Apk));
        check(
            "ID=cachyos\nID_LIKE=arch\n",
            &["pacman"],
            Some(Manager::Pacman),
        );
        check("ID=unheard-of\n", &["zypper"], Some(Manager::Zypper));
        check("ID=debian\n", &[], None);
        check("", &["dnf"], Some(Manager::Dnf));
    }

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        let expect = OsRelease {
            name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            codename: Some("bookworm".to_owned()),
            like: vec!["debian".to_owned()],
        };
        assert_eq!(OsRelease::parse(text), expect);
        assert_eq!(OsRelease::parse("").codename, None);
    }

    #[test]
    fn both_formats_are_found_where_apt_keeps_them() {
        let root = Scratch::new_in("/tmp".into(), "apt").expect("made");
        fs_err::create_dir(root.path().join("sources.list.d")).expect("made");
        let write = |path: &str, text: &str| {
            fs_err::write(root.path().join(path), text).expect("written");
        };
        write("sources.list", "deb http://a.example/ bookworm main\n");
        write(
            "sources.list.d/b.sources",
            "Types: deb\nURIs: http://b.example/\nSuites: x\n",
        );
        write(
            "sources.list.d/c.list.save",
            "deb http://c.example/ bookworm main\n",
        );
        let entries = read_sources(root.path());
        let uris: Vec<_> = entries.iter().map(|entry| entry.uris.join(" ")).collect();
        assert_eq!(uris, ["http://a.example/", "http://b.example/"]);
        assert_eq!(read_sources(&root.path().join("nowhere")), []);
    }

    #[test]
    fn a_directory_without_lists_has_no_age() {
        let root = Scratch::new_in("/tmp".into(), "lists").expect("made");
        fs_err::write(root.path().join("lock"), "").expect("written");
        assert_eq!(lists_age(root.path()), None);
        fs_err::write(root.path().join("x_dists_y_main_binary_Packages"), "").expect("written");
        assert!(lists_age(root.path()).expect("an age") < Duration::from_secs(60));
        assert_eq!(lists_age(&root.path().join("nowhere")), None);
    }

    #[test]
    fn missing_items_are_named_once() {
        let env = Env {
            path: vec!["/bin".into(), "/usr/bin".into()],
            ..Env::default()
        };
        let tools = ["sh", "kiln-no-such", "kiln-no-such"].map(str::to_owned);
        assert_eq!(missing(&tools, &env), ["kiln-no-such"]);
    }
}
