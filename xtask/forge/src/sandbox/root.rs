//! What of a root directory a build sees: the system's programs and libraries. It is the host's own
//! root directory, or that of another system below some directory.

use camino::{Utf8Path, Utf8PathBuf};

/// The part of a root directory that every sandbox shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRoot {
    /// Where the root directory is, if it is not the host's own.
    pub base: Option<Utf8PathBuf>,
    /// In the order in which they are made.
    pub entries: Vec<RootEntry>,
}

/// One thing in the sandbox's root directory that is the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootEntry {
    /// A directory or file, read-only, at its own path.
    Shown(Utf8PathBuf),
    /// A symbolic link, as hosts with a merged `/usr` have it.
    Link {
        /// Where it is.
        path: Utf8PathBuf,
        /// What it says.
        target: Utf8PathBuf,
    },
}

/// Shown where a host has them, in addition to `/usr` and `/lib*`: programs on hosts that do not merge
/// `/usr`, the library cache, Debian's indirection for `cc` and `awk`, and the homes of hosts whose
/// programs live elsewhere.
const OTHERS: [&str; 6] = [
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/nix/store",
    "/gnu/store",
];

impl HostRoot {
    /// Looks at the host's root directory, or at another system's.
    #[must_use]
    pub fn probe(base: Option<&Utf8Path>) -> Self {
        Self {
            base: base.map(Utf8Path::to_owned),
            entries: entries_below(base.unwrap_or(Utf8Path::new("/"))),
        }
    }

    /// Where on the host a path of this root is.
    #[must_use]
    pub fn on_host(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.base
            .as_ref()
            .map_or_else(|| path.to_owned(), |base| below(base, path))
    }

    /// Whether a program is in what is shown.
    #[must_use]
    pub fn shows(&self, path: &Utf8Path) -> bool {
        self.entries.iter().any(|entry| match entry {
            RootEntry::Shown(shown) => path.starts_with(shown),
            RootEntry::Link { .. } => false,
        })
    }

    /// Shows the installation of a program that is elsewhere: the directory above its `bin`.
    pub fn show_program(&mut self, path: &Utf8Path) {
        if self.shows(path) {
            return;
        }
        let Some(directory) = path.parent() else {
            return;
        };
        let home = match (directory.file_name(), directory.parent()) {
            (Some("bin" | "sbin"), Some(home)) if home.parent().is_some() => home,
            _ => directory,
        };
        self.entries.push(RootEntry::Shown(home.to_owned()));
    }
}

fn entries_below(root: &Utf8Path) -> Vec<RootEntry> {
    let mut paths = vec![Utf8PathBuf::from("/usr")];
    paths.extend(OTHERS.map(Utf8PathBuf::from));
    let listing = root.read_dir_utf8().into_iter().flatten().flatten();
    let libraries = listing.map(|entry| entry.file_name().to_owned());
    paths.extend(
        libraries
            .filter(|name| is_library(name))
            .map(|name| format!("/{name}").into()),
    );
    paths.sort();
    let entries = paths.into_iter().filter_map(|path| {
        let host = below(root, &path);
        match host.read_link_utf8() {
            Ok(target) => Some(RootEntry::Link { path, target }),
            Err(_) if host.exists() => Some(RootEntry::Shown(path)),
            Err(_) => None,
        }
    });
    entries.collect()
}

/// An absolute path, taken from another root directory.
pub(super) fn below(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// `lib` and its kin for other word sizes, but not `lib.usr-is-merged` and other remains.
fn is_library(name: &str) -> bool {
    name.strip_prefix("lib")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(make: impl FnOnce(&Utf8Path), expect: &[&str]) {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        fs_err::create_dir(root.join("usr")).unwrap();
        make(root);
        let shown = HostRoot::probe(Some(root))
            .entries
            .into_iter()
            .map(|entry| match entry {
                RootEntry::Shown(path) => path.to_string(),
                RootEntry::Link { path, target } => format!("{path} -> {target}"),
            });
        assert_eq!(shown.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn links_of_a_merged_usr_stay_links() {
        check(
            |root| {
                for name in ["bin", "lib", "lib64"] {
                    fs_err::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).unwrap();
                }
                fs_err::create_dir(root.join("lib.usr-is-merged")).unwrap();
                fs_err::create_dir(root.join("home")).unwrap();
            },
            &[
                "/bin -> usr/bin",
                "/lib -> usr/lib",
                "/lib64 -> usr/lib64",
                "/usr",
            ],
        );
    }

    #[test]
    fn directories_of_an_unmerged_host_are_shown() {
        check(
            |root| {
                for name in [
                    "bin",
                    "sbin",
                    "lib",
                    "libx32",
                    "etc/alternatives",
                    "gnu/store",
                ] {
                    fs_err::create_dir_all(root.join(name)).unwrap();
                }
                fs_err::write(root.join("etc/passwd"), "").unwrap();
            },
            &[
                "/bin",
                "/etc/alternatives",
                "/gnu/store",
                "/lib",
                "/libx32",
                "/sbin",
                "/usr",
            ],
        );
    }

    #[test]
    fn program_outside_of_the_system_brings_its_installation() {
        let check = |program: &str, expect: Option<&str>| {
            let mut root = HostRoot {
                base: None,
                entries: vec![RootEntry::Shown("/usr".into())],
            };
            root.show_program(program.into());
            let added = expect.map(|path| RootEntry::Shown(path.into()));
            assert_eq!(root.entries.get(1), added.as_ref());
        };
        check("/usr/local/bin/cc", None);
        check("/opt/gcc-15/bin/cc", Some("/opt/gcc-15"));
        check("/opt/cc", Some("/opt"));
        check("/bin/cc", Some("/bin"));
    }
}
