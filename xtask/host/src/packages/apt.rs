//! apt: what it says it would do, and what follows from that.
//!
//! The trap this is made for: packages that are installed from backports, whose suite is no longer
//! configured, hold their siblings at their own version; the release's QEMU then cannot be installed
//! next to them. apt tells by simulation; the remedy is the backports suite, for those packages alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::table::{Commands, PackageSet};
use super::{Facts, LISTS_AGE, Setup, SetupCommand, SourceEntry, install, merged};
use crate::process::{ExitStatus, Output};

/// Where the backports suite is added.
const OWN_SOURCE: &str = "/etc/apt/sources.list.d/kiln-backports.sources";

/// What apt would do for a set of packages (`apt-get -s install`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulation {
    /// It would install them and remove nothing.
    Fine,
    /// It knows no such package.
    Unknown,
    /// It would have to remove packages, or cannot resolve dependencies: its own reason.
    Conflict(String),
    /// It could not tell: a full disk, a lock. Its own reason.
    Failed(String),
}

/// What is known about apt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apt {
    /// The sources that are configured.
    pub sources: Vec<SourceEntry>,
    /// How old the package lists are; `None` when there are none.
    pub lists_age: Option<Duration>,
    /// Simulations by package set, sorted by name.
    pub release: BTreeMap<Vec<String>, Simulation>,
    /// The same with the backports suite preferred; empty when it is not configured.
    pub backports: BTreeMap<Vec<String>, Simulation>,
}

/// The suite of backports to a release.
pub(super) fn backports_suite(codename: &str) -> String {
    format!("{codename}-backports")
}

/// Reads the outcome of a simulation (with `LC_ALL=C`).
pub(super) fn read_simulation(output: &Output) -> Simulation {
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    if output.status == ExitStatus::Code(0) {
        let removal = stdout.lines().find(|line| line.starts_with("Remv "));
        return match removal.and_then(|line| line.split(' ').nth(1)) {
            Some(package) => Simulation::Conflict(format!("it would remove {package}")),
            None => Simulation::Fine,
        };
    }
    let unknown = [
        "Unable to locate package",
        "has no installation candidate",
        "is invalid for APT::Default-Release",
    ];
    if unknown.iter().any(|words| stderr.contains(words)) {
        return Simulation::Unknown;
    }
    let after = |heading: &str| {
        let line = stdout
            .lines()
            .skip_while(|line| !line.contains(heading))
            .nth(1)?;
        Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    if let Some(packages) = after("packages will be REMOVED:") {
        return Simulation::Conflict(format!("it would remove {packages}"));
    }
    if let Some(reason) = after("unmet dependencies:") {
        return Simulation::Conflict(reason);
    }
    let error = stderr
        .lines()
        .find_map(|line| line.strip_prefix("E: "))
        .map(str::to_owned);
    Simulation::Failed(error.unwrap_or_else(|| output.status.to_string()))
}

/// Where a tool's packages come from.
enum Choice<'a> {
    Release(&'a PackageSet),
    Backports(&'a PackageSet),
    /// Only the backports suite, which is not configured, can help: why the release cannot.
    AddBackports(&'a PackageSet, &'a str),
    Nowhere(String),
}

/// Decides for each tool, and adds the commands.
pub(super) fn plan(
    tools: &[String],
    needs: &[Vec<PackageSet>],
    facts: &Facts,
    apt: &Apt,
    commands: &Commands,
    setup: &mut Setup,
) {
    let refresh = SetupCommand {
        may_fail: true,
        ..SetupCommand::plain(&commands.refresh)
    };
    let first: Vec<&PackageSet> = needs.iter().filter_map(|sets| sets.first()).collect();
    if apt.lists_age.is_none_or(|age| age > LISTS_AGE) {
        setup.commands.push(refresh);
        setup.forecast_from = Some(1);
        setup.commands.push(install(&commands.install, &[], &first));
        return;
    }
    if apt.release.get(&merged(&first)) == Some(&Simulation::Fine) {
        setup.commands.push(install(&commands.install, &[], &first));
        return;
    }
    let suite = facts.codename.as_deref().map(backports_suite);
    let source = facts
        .codename
        .as_deref()
        .and_then(|codename| SourceEntry::of_suite(&apt.sources, codename));
    let configured = suite
        .as_deref()
        .is_some_and(|suite| SourceEntry::of_suite(&apt.sources, suite).is_some());
    let can_add = source.is_some() && !configured;

    let (mut release, mut backports, mut add) = (Vec::new(), Vec::new(), false);
    for (tool, sets) in tools.iter().zip(needs) {
        match choose(sets, apt, can_add) {
            Choice::Release(set) => release.push(set),
            Choice::Backports(set) => backports.push(set),
            Choice::AddBackports(set, why) => {
                if !add {
                    setup.notes.push(format!(
                        "{}: {why}; so it comes from backports, as what is installed does",
                        set.join(" ")
                    ));
                }
                add = true;
                backports.push(set);
            }
            Choice::Nowhere(why) => setup.notes.push(format!("no package for `{tool}`: {why}")),
        }
    }
    if let (true, Some(source), Some(suite)) = (add, source, suite.as_deref()) {
        setup.commands.push(SetupCommand {
            argv: ["tee", OWN_SOURCE].map(str::to_owned).to_vec(),
            stdin: Some(source.with_suite(suite)),
            may_fail: false,
        });
        setup.commands.push(refresh);
        setup.forecast_from = Some(setup.commands.len());
    }
    if !release.is_empty() {
        setup
            .commands
            .push(install(&commands.install, &[], &release));
    }
    if let (false, Some(suite)) = (backports.is_empty(), suite.as_deref()) {
        setup
            .commands
            .push(install(&commands.install, &["-t", suite], &backports));
    }
}

/// The first alternative that the release has, else that backports have, else the reason.
fn choose<'a>(sets: &'a [PackageSet], apt: &'a Apt, can_add: bool) -> Choice<'a> {
    let outcome = |known: &'a BTreeMap<Vec<String>, Simulation>, set: &PackageSet| {
        known.get(&merged(&[set])).unwrap_or(&Simulation::Unknown)
    };
    let fine = |known| {
        sets.iter()
            .find(|set| *outcome(known, set) == Simulation::Fine)
    };
    if let Some(set) = fine(&apt.release) {
        return Choice::Release(set);
    }
    if let Some(set) = fine(&apt.backports) {
        return Choice::Backports(set);
    }
    let conflict = [&apt.backports, &apt.release]
        .into_iter()
        .find_map(|known| {
            sets.iter().find_map(|set| match outcome(known, set) {
                Simulation::Conflict(why) => Some((set, why.as_str())),
                Simulation::Fine | Simulation::Unknown | Simulation::Failed(_) => None,
            })
        });
    let failure = [&apt.release, &apt.backports]
        .into_iter()
        .find_map(|known| {
            sets.iter().find_map(|set| match outcome(known, set) {
                Simulation::Failed(why) => Some(format!("apt-get: {why}")),
                _ => None,
            })
        });
    if let Some(why) = failure {
        return Choice::Nowhere(why);
    }
    match (conflict, sets.first()) {
        (Some((set, why)), _) if can_add => Choice::AddBackports(set, why),
        (Some((set, why)), _) => Choice::Nowhere(format!("{}: {why}", set.join(" "))),
        (None, Some(set)) => Choice::Nowhere(format!("apt knows no {}", set.join(" "))),
        (None, None) => Choice::Nowhere("none is listed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Manager, plan_setup};
    use super::*;

    const FINE: &str = include_str!("../../data/apt/fine.txt");
    const WOULD_REMOVE: &str = include_str!("../../data/apt/would-remove.txt");
    const UNKNOWN: &str = include_str!("../../data/apt/unknown.txt");
    const UNMET: &str = include_str!("../../data/apt/unmet.txt");
    const NO_SUCH_SUITE: &str = include_str!("../../data/apt/no-such-suite.txt");

    /// What apt wrote on a Debian 12 with `qemu-utils` from backports, both streams in one.
    fn read(text: &str) -> Simulation {
        let failed = text.lines().any(|line| line.starts_with("E: "));
        read_simulation(&Output {
            status: ExitStatus::Code(if failed { 100 } else { 0 }),
            stdout: text.into(),
            stderr: text.into(),
            truncated: false,
        })
    }

    #[test]
    fn apt_output_is_parsed() {
        let conflict = |why: &str| Simulation::Conflict(why.to_owned());
        assert_eq!(read(FINE), Simulation::Fine);
        assert_eq!(read(UNKNOWN), Simulation::Unknown);
        assert_eq!(read(NO_SUCH_SUITE), Simulation::Unknown);
        assert_eq!(read(WOULD_REMOVE), conflict("it would remove qemu-utils"));
        assert_eq!(
            read(UNMET),
            conflict(
                "qemu-utils : Breaks: qemu-system-common (< 1:8.0+dfsg-5~) but \
                 1:7.2+dfsg-7+deb12u18+b3 is to be installed"
            )
        );
        assert_eq!(
            read("Remv qemu-utils [1:10.0]\n"),
            conflict("it would remove qemu-utils")
        );
        let full = "Write error - write (28: No space left on device)";
        assert_eq!(
            read(&format!("E: {full}\n")),
            Simulation::Failed(full.to_owned())
        );
    }

    /// Debian 12 with the release's own sources, and these simulations.
    fn facts(
        backports_source: bool,
        release: &[(&str, &str)],
        backports: &[(&str, &str)],
    ) -> Facts {
        let mut sources =
            "deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main\n".to_owned();
        if backports_source {
            sources.push_str("deb http://mirror.example/debian bookworm-backports main\n");
        }
        let known = |list: &[(&str, &str)]| {
            let entry = |(packages, text): &(&str, &str)| {
                (packages.split(' ').map(str::to_owned).collect(), read(text))
            };
            list.iter().map(entry).collect()
        };
        Facts {
            manager: Some(Manager::Apt),
            system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            codename: Some("bookworm".to_owned()),
            root: false,
            elevate: Some("sudo".to_owned()),
            apt: Some(Apt {
                sources: super::super::parse_list(&sources),
                lists_age: Some(Duration::from_secs(60)),
                release: known(release),
                backports: known(backports),
            }),
        }
    }

    fn shown(tools: &[&str], facts: &Facts) -> String {
        let tools: Vec<String> = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let setup = plan_setup(&tools, facts);
        let mut text = String::new();
        for (at, command) in setup.commands.iter().enumerate() {
            if setup.forecast_from == Some(at) {
                text.push_str("--- then, as far as is known now:\n");
            }
            text.extend([command.to_string().as_str(), "\n"]);
        }
        setup
            .notes
            .iter()
            .fold(text, |text, note| text + "note: " + note + "\n")
    }

    const TOOLS: [&str; 3] = ["qemu-system-x86_64", "bwrap", "flex"];

    #[test]
    fn compatible_packages_install_together() {
        let facts = facts(false, &[("bubblewrap flex qemu-system-x86", FINE)], &[]);
        insta::assert_snapshot!(shown(&TOOLS, &facts));
    }

    #[test]
    fn old_package_lists_are_updated_first() {
        for age in [None, Some(Duration::from_secs(7 * 24 * 3600))] {
            let mut facts = facts(false, &[], &[]);
            facts.apt.as_mut().expect("apt").lists_age = age;
            insta::assert_snapshot!("refresh_first", shown(&TOOLS, &facts));
        }
    }

    #[test]
    fn siblings_from_backports_bring_back_the_backports_suite() {
        let release = [
            ("bubblewrap flex qemu-system-x86", WOULD_REMOVE),
            ("qemu-system-x86", WOULD_REMOVE),
            ("bubblewrap", FINE),
            ("flex", FINE),
        ];
        insta::assert_snapshot!(shown(&TOOLS, &facts(false, &release, &[])));
    }

    #[test]
    fn backports_serve_only_what_release_lacks() {
        let release = [
            ("bubblewrap flex qemu-system-x86", UNMET),
            ("qemu-system-x86", UNMET),
            ("bubblewrap", FINE),
            ("flex", FINE),
        ];
        let backports = [
            ("qemu-system-x86", FINE),
            ("bubblewrap", FINE),
            ("flex", FINE),
        ];
        insta::assert_snapshot!(shown(&TOOLS, &facts(true, &release, &backports)));
    }

    #[test]
    fn alternative_package_name_is_tried() {
        let release = [("qemu-system-riscv", UNKNOWN), ("qemu-system-misc", FINE)];
        let facts = facts(false, &release, &[]);
        insta::assert_snapshot!(shown(&["qemu-system-riscv64"], &facts));
    }

    #[test]
    fn failing_apt_does_not_select_backports() {
        let release = [(
            "flex",
            "E: Write error - write (28: No space left on device)\n",
        )];
        insta::assert_snapshot!(shown(&["flex"], &facts(false, &release, &[])));
    }

    #[test]
    fn unavailable_package_is_reported_with_reason() {
        let release = [("qemu-system-x86", WOULD_REMOVE), ("frobnicate", UNKNOWN)];
        let facts = facts(true, &release, &release);
        insta::assert_snapshot!(shown(&["qemu-system-x86_64", "frobnicate"], &facts));
    }
}
