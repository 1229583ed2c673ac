//! The part of a root directory that a build sees: programs and libraries of the host, or of
//! another system below some directory.

use camino::{Utf8Path, Utf8PathBuf};

/// The part of a root directory that every sandbox shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRoot {
    /// The root directory, if it is not the host's own.
    pub base: Option<Utf8PathBuf>,
    /// The entries in the order of creation.
    pub entries: Vec<RootEntry>,
}

/// One entry of the sandbox's root directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootEntry {
    /// A directory or file, mounted read-only at its own path.
    Shown(Utf8PathBuf),
    /// A symbolic link, as on hosts with a merged `/usr`.
    Link {
        /// Path of the link.
        path: Utf8PathBuf,
        /// Target of the link.
        target: Utf8PathBuf,
    },
}

/// Shown if a host has them, in addition to `/usr` and `/lib*`: programs on hosts with an unmerged
/// `/usr`, the library cache, Debian's alternatives for `cc` and `awk`, and directories of hosts
/// that keep programs elsewhere.
const OTHERS: [&str; 6] = [
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/nix/store",
    "/gnu/store",
];

impl HostRoot {
    /// Reads the host's root directory, or another system's.
    #[must_use]
    pub fn probe(base: Option<&Utf8Path>) -> Self {
        Self {
            base: base.map(Utf8Path::to_owned),
            entries: entries_below(base.unwrap_or(Utf8Path::new("/"))),
        }
    }

    /// The path on the host of a path below this root.
    #[must_use]
    pub fn on_host(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.base
            .as_ref()
            .map_or_else(|| path.to_owned(), |base| below(base, path))
    }

    /// Whether the sandbox shows a program.
    #[must_use]
    pub fn shows(&self, path: &Utf8Path) -> bool {
        self.entries.iter().any(|entry| match entry {
            RootEntry::Shown(shown) => path.starts_with(shown),
            RootEntry::Link { .. } => false,
        })
    }

    /// Also shows the installation of a program at another location: the directory above its `bin`.
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

/// An absolute path below another root directory.
pub(super) fn below(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Whether the name is `lib` or that of another word size, but not a leftover such as
/// `lib.usr-is-merged`.
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
    fn external_program_is_shown_with_its_installation() {
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
