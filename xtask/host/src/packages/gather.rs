//! Gathers the facts about the host's package manager, once and without changes to the host.

use camino::Utf8Path;

use super::table::Table;
use super::{Facts, Manager, apt, plan_setup};
use crate::env::Env;
use crate::process::ProcessError;
use crate::tools;

/// The missing tools: programs that are not on PATH, or files that do not exist if the table lists
/// files.
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

/// Asks the host's package manager for the missing tools.
pub fn gather(missing: &[String], env: &Env) -> Result<Facts, ProcessError> {
    let mut release = ["/etc/os-release", "/usr/lib/os-release"].iter();
    let release = release.find_map(|path| fs_err::read_to_string(path).ok());
    let release = OsRelease::parse(&release.unwrap_or_default());
    let present = |program: &str| tools::find_in(program, &env.path).is_some();
    let manager = detect(&release, present);
    let elevate = ["sudo", "doas"]
        .into_iter()
        .find(|program| present(program));
    let packages = match manager {
        Some(Manager::Apt) => {
            let sets = |tool: &String| Table::get().alternatives(tool, Manager::Apt);
            let names: Vec<String> = missing.iter().flat_map(sets).flatten().collect();
            apt::policy(names.iter().map(String::as_str).chain(apt::SIBLINGS))?
        }
        _ => Vec::new(),
    };
    Ok(Facts {
        manager,
        codename: release.codename,
        root: env.root,
        elevate: elevate.map(str::to_owned),
        packages,
    })
}

/// The commands that install programs in another root below a directory of this host, or `None` if
/// its package manager is unknown.
#[must_use]
pub fn commands_below(root: &Utf8Path, missing: &[String]) -> Option<String> {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let mut release = ["/etc/os-release", "/usr/lib/os-release"].iter();
    let release = release.find_map(|path| fs_err::read_to_string(inside(path)).ok());
    let release = OsRelease::parse(&release.unwrap_or_default());
    let directories = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let present = |program: &str| {
        let mut files = directories
            .iter()
            .map(|directory| inside(directory).join(program));
        files.any(|file| file.exists())
    };
    let facts = Facts {
        manager: detect(&release, present),
        root: true,
        ..Facts::default()
    };
    let setup = plan_setup(missing, &facts);
    let commands = setup.commands();
    let commands: Vec<String> = commands
        .map(|command| format!("chroot {root} {command}"))
        .collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The native manager of this system, else the first installed one.
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

/// Whether an ID names the system: `opensuse-leap` is `opensuse`.
fn is_system(id: &str, system: &str) -> bool {
    id == system
        || id
            .strip_prefix(system)
            .is_some_and(|rest| rest.starts_with('-'))
}

/// The relevant fields of os-release(5).
#[derive(Debug, Default, PartialEq, Eq)]
struct OsRelease {
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
            codename: field("VERSION_CODENAME").filter(|name| !name.is_empty()),
            like: like.collect(),
        }
    }
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
            codename: Some("bookworm".to_owned()),
            like: vec!["debian".to_owned()],
        };
        assert_eq!(OsRelease::parse(text), expect);
        assert_eq!(OsRelease::parse("").codename, None);
    }

    #[test]
    fn missing_items_are_listed_once() {
        let env = Env {
            path: vec!["/bin".into(), "/usr/bin".into()],
            ..Env::default()
        };
        let tools = ["sh", "kiln-no-such", "kiln-no-such"].map(str::to_owned);
        assert_eq!(missing(&tools, &env), ["kiln-no-such"]);
    }
}
