//! The root directory of another system below a directory of this host, as debootstrap creates one:
//! finds its programs and runs them there. Used by builds with tools of another system.

use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::isolation::{isolation, strings};
use crate::probe::{SandboxChoice, Sandboxing, probe};
use crate::root::{HostRoot, below};

/// The search path for its programs.
pub const PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The kernel's limit.
const MOST_LINKS: usize = 40;

/// Why a directory cannot be used as a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// It contains no system.
    #[error("`{0}` is not a root file system: it has no `/bin/sh`")]
    NoSystem(Utf8PathBuf),
    /// Its shell does not start, but this host's shell does.
    #[error("failed to run `/bin/sh` of `{root}`: {why}")]
    Foreign {
        /// The directory.
        root: Utf8PathBuf,
        /// The cause.
        why: String,
    },
    /// Its programs need the sandbox, which does not work here.
    #[error("the sandbox does not work here, and the tools of `{root}` need it: {why}")]
    NoSandbox {
        /// The directory.
        root: Utf8PathBuf,
        /// The cause.
        why: String,
    },
}

impl RootError {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSystem(root) => Some(format!(
                "debootstrap --variant=minbase --include=gcc,g++,make,bison,flex,m4,bc,perl,xz-utils trixie {root}"
            )),
            Self::Foreign { .. } => Some(
                "use a root file system of this machine's architecture, with its C library"
                    .to_owned(),
            ),
            Self::NoSandbox { .. } => Some("cargo xtask setup --for build".to_owned()),
        }
    }
}

/// Fails if `root` contains no system.
pub fn check(root: &Utf8Path) -> Result<(), RootError> {
    match resolve(root, Utf8Path::new("/bin/sh")) {
        Some(_) => Ok(()),
        None => Err(RootError::NoSystem(root.to_owned())),
    }
}

/// Finds a program in the root and resolves links as that system would.
#[must_use]
pub fn find(root: &Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    PATH.iter().find_map(|directory| {
        let path = resolve(root, &Utf8Path::new(directory).join(name))?;
        let metadata = fs_err::metadata(below(root, &path)).ok()?;
        let runs = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        runs.then_some(path)
    })
}

/// The command prefix that enters the root. `path` is the search path for `bwrap`.
pub fn entrance(root: &Utf8Path, path: &[Utf8PathBuf]) -> Result<Vec<String>, RootError> {
    let shown = HostRoot::probe(Some(root));
    match probe(SandboxChoice::Auto, &shown, path) {
        Sandboxing::Bubblewrap { program, .. } => {
            let mut argv = vec![program.to_string()];
            argv.extend(isolation(&shown));
            argv.extend(strings(["--setenv", "PATH", &PATH.join(":"), "--"]));
            Ok(argv)
        }
        Sandboxing::None { why } => Err(refused(root, path, why)),
    }
}

/// Determines why nothing runs in the sandbox with that system's programs.
#[must_use]
pub fn refused(root: &Utf8Path, path: &[Utf8PathBuf], why: Option<String>) -> RootError {
    let root = root.to_owned();
    let why = why.unwrap_or_else(|| "refused".to_owned());
    match probe(SandboxChoice::Auto, &HostRoot::probe(None), path) {
        Sandboxing::Bubblewrap { .. } => RootError::Foreign { root, why },
        Sandboxing::None { .. } => RootError::NoSandbox { root, why },
    }
}

/// Resolves all links of an existing path.
fn resolve(root: &Utf8Path, path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut done = Utf8PathBuf::from("/");
    let mut left: VecDeque<String> = parts(path).collect();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            done.pop();
            continue;
        }
        done.push(&part);
        let there = below(root, &done);
        let Ok(target) = there.read_link_utf8() else {
            there.symlink_metadata().ok()?;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        done = if target.is_absolute() {
            Utf8PathBuf::from("/")
        } else {
            done.parent()?.to_owned()
        };
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(part);
        }
    }
    Some(done)
}

fn parts(path: &Utf8Path) -> impl Iterator<Item = String> + '_ {
    path.components().filter_map(|component| match component {
        Utf8Component::Normal(part) => Some(part.to_owned()),
        Utf8Component::ParentDir => Some("..".to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err::os::unix::fs::symlink;

    fn system() -> (tempfile::TempDir, Utf8PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        for directory in ["usr/bin", "usr/lib/llvm/bin", "etc/alternatives"] {
            fs_err::create_dir_all(root.join(directory)).unwrap();
        }
        symlink("usr/bin", root.join("bin")).unwrap();
        let program = |path: &str| {
            fs_err::write(root.join(path), "").unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            fs_err::set_permissions(root.join(path), mode).unwrap();
        };
        program("usr/bin/dash");
        program("usr/lib/llvm/bin/clang");
        symlink("dash", root.join("usr/bin/sh")).unwrap();
        symlink("/etc/alternatives/cc", root.join("usr/bin/cc")).unwrap();
        symlink("/usr/bin/clang", root.join("etc/alternatives/cc")).unwrap();
        symlink("../lib/llvm/bin/clang", root.join("usr/bin/clang")).unwrap();
        symlink("loop", root.join("usr/bin/loop")).unwrap();
        symlink("/usr/bin/nothing", root.join("usr/bin/make")).unwrap();
        fs_err::write(root.join("usr/bin/notes"), "").unwrap();
        (scratch, root)
    }

    #[test]
    fn links_resolve_inside_the_foreign_root() {
        let (_scratch, root) = system();
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(find(&root, name).as_deref(), expect.map(Utf8Path::new));
        };
        check("sh", Some("/usr/bin/dash"));
        check("cc", Some("/usr/lib/llvm/bin/clang"));
        check("loop", None);
        check("make", None);
        check("notes", None);
        check("absent", None);
    }

    #[test]
    fn shell_that_cannot_run_is_not_sandbox_failure() {
        let (_scratch, root) = system();
        let path = PATH.map(Utf8PathBuf::from);
        let host = probe(SandboxChoice::Auto, &HostRoot::probe(None), &path);
        let is_foreign = matches!(entrance(&root, &path), Err(RootError::Foreign { .. }));
        assert_eq!(is_foreign, matches!(host, Sandboxing::Bubblewrap { .. }));
        let without = entrance(&root, &[]);
        assert!(matches!(without, Err(RootError::NoSandbox { .. })));
    }

    #[test]
    fn directory_without_shell_is_refused() {
        let (_scratch, root) = system();
        assert_eq!(check(&root), Ok(()));
        let error = check(&root.join("etc")).unwrap_err();
        let expect = format!("`{root}/etc` is not a root file system: it has no `/bin/sh`");
        assert_eq!(error.to_string(), expect);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.starts_with("debootstrap"))
        );
    }
}
