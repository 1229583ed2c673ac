//! Plans and runs the commands that install missing tools.
//!
//! [`gather`] reads the facts once, [`plan_setup`] is a pure function from them to printable
//! commands, and [`perform`] runs the commands. The tables are in `data/packages.toml`. The caller
//! knows which tools are needed, from architecture files and recipes.

mod apt;
mod gather;
mod older;
mod perform;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use apt::{Offer, Package};
pub use gather::{commands_below, gather, missing};
pub use older::{OlderError, Unpacked, unpack_older};
pub use perform::{SetupError, perform};
pub use table::Manager;
use table::Table;

use crate::process::command::quote_line;

/// The file that adds backports to apt's sources.
const BACKPORTS_LIST: &str = "/etc/apt/sources.list.d/backports.list";

/// The facts about the host's package manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The package manager, if Kiln supports it.
    pub manager: Option<Manager>,
    /// The release's code name, such as `bookworm`.
    pub codename: Option<String>,
    /// The user is root.
    pub root: bool,
    /// `sudo` or `doas`, if installed.
    pub elevate: Option<String>,
    /// What apt offers, if apt is the manager.
    pub packages: Vec<Package>,
}

/// A setup command: program and arguments. Printed, and run with `--yes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupCommand(Vec<String>);

impl fmt::Display for SetupCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_line(&self.0))
    }
}

/// What to do to install everything that is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Adds the suite of the packages to apt's sources if it is not among them.
    pub source: Option<SetupCommand>,
    /// Updates the package lists, if the manager has a separate command for that.
    pub refresh: Option<SetupCommand>,
    /// Install the packages. Those that apt takes from another suite have a command of their own.
    pub install: Vec<SetupCommand>,
    /// Tools that no command installs, and why.
    pub notes: Vec<String>,
}

impl Setup {
    /// The commands in order.
    pub fn commands(&self) -> impl Iterator<Item = &SetupCommand> {
        (self.source.iter())
            .chain(&self.refresh)
            .chain(&self.install)
    }
}

/// Decides which commands install the missing tools.
#[must_use]
pub fn plan_setup(missing: &[String], facts: &Facts) -> Setup {
    let mut setup = Setup::default();
    if missing.is_empty() {
        return setup;
    }
    let table = Table::get();
    let Some((manager, commands)) = facts
        .manager
        .and_then(|manager| Some((manager, table.commands(manager)?)))
    else {
        setup.notes.push(format!(
            "the package manager is unknown; install by hand: {}",
            missing.join(", ")
        ));
        return setup;
    };
    let mut packages = BTreeMap::<Option<String>, BTreeSet<String>>::new();
    let mut source = None;
    for tool in missing {
        let sets = table.alternatives(tool, manager);
        let choice = apt::choose(&sets, &facts.packages, facts.codename.as_deref());
        if !choice.packages.is_empty() {
            let of_suite = packages.entry(choice.suite).or_default();
            of_suite.extend(choice.packages);
        }
        source = source.or(choice.source);
    }
    if packages.is_empty() {
        return setup;
    }
    if !facts.root && facts.elevate.is_none() {
        let note = "run the commands as root: `sudo` is not installed";
        setup.notes.push(note.to_owned());
    }
    let command = |argv: &[String]| {
        let elevate = facts.elevate.clone().filter(|_| !facts.root);
        SetupCommand(elevate.into_iter().chain(argv.to_vec()).collect())
    };
    setup.source = source.map(|line| {
        let script = format!("echo '{line}' > {BACKPORTS_LIST}");
        command(&["sh", "-c", &script].map(str::to_owned))
    });
    setup.refresh = (!commands.refresh.is_empty()).then(|| command(&commands.refresh));
    let install = |(suite, packages): (Option<String>, BTreeSet<String>)| {
        let release = suite.map(|suite| format!("--target-release={suite}"));
        let argv = commands.install.iter().cloned().chain(release);
        command(&argv.chain(packages).collect::<Vec<_>>())
    };
    setup.install = packages.into_iter().map(install).collect();
    setup
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a setup as the user sees it.
    fn shown(setup: &Setup) -> String {
        let commands = setup.commands().map(|command| format!("{command}\n"));
        let notes = setup.notes.iter().map(|note| format!("note: {note}\n"));
        commands.chain(notes).collect()
    }

    fn missing() -> Vec<String> {
        let tools = [
            "qemu-system-x86_64",
            "qemu-system-ppc64",
            "bwrap",
            "cc",
            "c++",
            "flex",
            "xz",
        ];
        tools.map(str::to_owned).to_vec()
    }

    #[test]
    fn each_package_manager_has_its_command() {
        for manager in [
            Manager::Apt,
            Manager::Dnf,
            Manager::Pacman,
            Manager::Zypper,
            Manager::Apk,
        ] {
            let facts = Facts {
                manager: Some(manager),
                root: true,
                ..Facts::default()
            };
            let name = format!("{manager:?}").to_lowercase();
            insta::assert_snapshot!(name, shown(&plan_setup(&missing(), &facts)));
        }
    }

    #[test]
    fn packages_from_backports_need_target_release() {
        let package = |name: &str, installed: Option<&str>| Package {
            name: name.to_owned(),
            installed: installed.map(str::to_owned),
            offers: vec![Offer {
                version: "1:10.0.2~bpo12+1".into(),
                uri: "http://mirror.example.org/debian".into(),
                suite: "bookworm-backports".into(),
            }],
        };
        let facts = Facts {
            manager: Some(Manager::Apt),
            codename: Some("bookworm".into()),
            root: true,
            packages: vec![
                package("qemu-utils", Some("1:10.0.2~bpo12+1")),
                package("qemu-system-x86", None),
            ],
            ..Facts::default()
        };
        let missing = ["qemu-system-x86_64", "flex"].map(str::to_owned);
        let setup = plan_setup(&missing, &facts);
        let [own, backports] = &setup.install[..] else {
            panic!("{:?}", setup.install)
        };
        assert!(own.to_string().ends_with("--no-remove flex"), "{own}");
        let end = " --target-release=bookworm-backports qemu-system-x86";
        assert!(backports.to_string().ends_with(end), "{backports}");
    }

    #[test]
    fn non_root_without_sudo_is_reported() {
        let check = |root: bool, elevate: Option<&str>, first: &str, notes: usize| {
            let elevate = elevate.map(str::to_owned);
            let facts = Facts {
                manager: Some(Manager::Apk),
                root,
                elevate,
                ..Facts::default()
            };
            let setup = plan_setup(&missing(), &facts);
            assert_eq!(setup.install[0].0[0], first);
            assert_eq!(setup.notes.len(), notes);
        };
        check(true, Some("sudo"), "apk", 0);
        check(false, Some("sudo"), "sudo", 0);
        check(false, Some("doas"), "doas", 0);
        check(false, None, "apk", 1);
    }

    #[test]
    fn nothing_missing_needs_no_manager() {
        assert_eq!(plan_setup(&[], &Facts::default()), Setup::default());
        let setup = plan_setup(&["flex".to_owned(), "bc".to_owned()], &Facts::default());
        assert_eq!(setup.commands().next(), None);
        assert_eq!(
            setup.notes,
            ["the package manager is unknown; install by hand: flex, bc"]
        );
    }
}
