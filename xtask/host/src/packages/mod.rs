//! What the host lacks, and the commands of its package manager that bring it.
//!
//! Facts are gathered once ([`gather`]); [`plan_setup`] is a pure function of them and gives commands
//! that can be shown as they are; [`perform`] runs them. The tables are in `data/packages.toml`.
//! Which tools are needed is the caller's knowledge: from architecture files and recipes.

mod apt;
mod gather;
mod older;
mod perform;
mod sources;
mod table;

use std::fmt;
use std::time::Duration;

pub use apt::{Apt, Simulation};
pub use gather::{commands_below, gather, missing};
pub use older::{OlderError, Unpacked, unpack_older};
pub use perform::{SetupError, perform};
pub use sources::{SourceEntry, parse_deb822, parse_list};
pub use table::Manager;
use table::{PackageSet, Table};

use crate::process::command::quote_line;

/// What is known about the host's package manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The package manager, if it is one we know.
    pub manager: Option<Manager>,
    /// The system's name for people, from os-release.
    pub system: String,
    /// The release's code name, such as `bookworm`.
    pub codename: Option<String>,
    /// The user is root.
    pub root: bool,
    /// `sudo` or `doas`, if there is one.
    pub elevate: Option<String>,
    /// Where apt is the manager.
    pub apt: Option<Apt>,
}

/// A command of a set-up: shown to people, run with `--yes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupCommand {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What it reads from its stdin.
    pub stdin: Option<String>,
    /// Its failure is not a failure of the set-up: what it serves will show.
    pub may_fail: bool,
}

impl fmt::Display for SetupCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_line(&self.argv))?;
        match &self.stdin {
            Some(text) => write!(f, " <<'EOF'\n{text}EOF"),
            None => Ok(()),
        }
    }
}

/// What to do so that nothing is missing any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// In this order.
    pub commands: Vec<SetupCommand>,
    /// The commands from this one on are a forecast: once those before it have run, the package
    /// manager knows more, and facts are gathered anew.
    pub forecast_from: Option<usize>,
    /// For people: reasons, and what no command brings.
    pub notes: Vec<String>,
}

/// How old apt's lists may be before they are brought up to date first.
const LISTS_AGE: Duration = Duration::from_secs(24 * 3600);

/// Decides which commands bring the missing tools.
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
        let names = missing.join(", ");
        setup.notes.push(format!(
            "no package manager that we know; install by hand: {names}"
        ));
        return setup;
    };
    let needs: Vec<Vec<PackageSet>> = missing
        .iter()
        .map(|tool| table.alternatives(tool, manager))
        .collect();
    if let Some(apt) = &facts.apt {
        apt::plan(missing, &needs, facts, apt, commands, &mut setup);
    } else {
        if !commands.refresh.is_empty() {
            setup.commands.push(SetupCommand::plain(&commands.refresh));
        }
        let sets: Vec<&PackageSet> = needs.iter().filter_map(|sets| sets.first()).collect();
        setup.commands.push(install(&commands.install, &[], &sets));
    }
    as_root(&mut setup, facts);
    setup
}

impl SetupCommand {
    fn plain(argv: &[String]) -> Self {
        Self {
            argv: argv.to_vec(),
            stdin: None,
            may_fail: false,
        }
    }
}

/// The manager's install command for these sets, each package once.
fn install(command: &[String], options: &[&str], sets: &[&PackageSet]) -> SetupCommand {
    let mut argv = command.to_vec();
    argv.extend(options.iter().map(|option| (*option).to_owned()));
    argv.extend(merged(sets));
    SetupCommand {
        argv,
        stdin: None,
        may_fail: false,
    }
}

/// All packages of these sets, sorted, each once.
fn merged(sets: &[&PackageSet]) -> PackageSet {
    let mut packages: PackageSet = sets.iter().copied().flatten().cloned().collect();
    packages.sort();
    packages.dedup();
    packages
}

/// Puts `sudo` before every command, or says that root must run them.
fn as_root(setup: &mut Setup, facts: &Facts) {
    if facts.root || setup.commands.is_empty() {
        return;
    }
    match &facts.elevate {
        Some(elevate) => {
            setup
                .commands
                .iter_mut()
                .for_each(|c| c.argv.insert(0, elevate.clone()));
        }
        None => setup
            .notes
            .push("run these as root: there is no `sudo`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set-up as people see it.
    fn shown(setup: &Setup) -> String {
        let commands = setup.commands.iter().map(|command| format!("{command}\n"));
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
        for manager in [Manager::Dnf, Manager::Pacman, Manager::Zypper, Manager::Apk] {
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
            assert_eq!(setup.commands[0].argv[0], first);
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
        assert_eq!(setup.commands, []);
        assert_eq!(
            setup.notes,
            ["no package manager that we know; install by hand: flex, bc"]
        );
    }
}
