//! The options that every sandbox has.

use crate::root::{HostRoot, RootEntry};

/// Owned copies of words of a command line.
pub(crate) fn strings<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The options of every sandbox. The probe tries exactly these.
///
/// The user is the same on every host and has no capabilities, so that a build as root respects
/// write protection like any other build.
pub(crate) fn isolation(root: &HostRoot) -> Vec<String> {
    let mut argv = strings([
        "--unshare-all",
        "--die-with-parent",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--cap-drop",
        "ALL",
        "--hostname",
        "kiln",
    ]);
    for entry in &root.entries {
        match entry {
            RootEntry::Shown(path) => {
                let host = root.on_host(path);
                argv.extend(strings(["--ro-bind", host.as_str(), path.as_str()]));
            }
            RootEntry::Link { path, target } => {
                argv.extend(strings(["--symlink", target.as_str(), path.as_str()]));
            }
        }
    }
    argv.extend(strings([
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
    ]));
    argv
}
