//! The tools that were built with a QEMU: `qemu-img`, `qemu-nbd`, `qemu-storage-daemon` and others.
//!
//! A test must use the tools of the QEMU under test. They are searched next to the binary, and on
//! PATH only if the binary is from PATH.

use camino::{Utf8Path, Utf8PathBuf};

/// The folder of a build directory that contains `qemu-storage-daemon`.
const DAEMON: &str = "storage-daemon";

/// The directories of one QEMU's tools, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDirs(Vec<Utf8PathBuf>);

impl ToolDirs {
    /// The directories for a binary; `path` is PATH if the binary was found on it.
    #[must_use]
    pub fn of(binary: &Utf8Path, path: Option<&[Utf8PathBuf]>) -> Self {
        let adjacent = binary.parent().map(Utf8Path::to_owned);
        let daemon = adjacent.as_ref().map(|dir| dir.join(DAEMON));
        let path = path.unwrap_or_default().iter().cloned();
        Self(adjacent.into_iter().chain(daemon).chain(path).collect())
    }

    /// The path of a tool.
    #[must_use]
    pub fn find(&self, tool: &str) -> Option<Utf8PathBuf> {
        host::tools::find_in(tool, &self.0)
    }
}

/// The variable with the path of a tool for scripts: `QEMU_IMG` for `qemu-img`.
#[must_use]
pub fn variable(tool: &str) -> String {
    tool.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_belong_to_the_qemu_under_test() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for file in [
            "build/qemu-img",
            "build/storage-daemon/qemu-storage-daemon",
            "bin/qemu-nbd",
        ] {
            host::files::write_program(&root.join(file), b"#!/bin/sh\n").unwrap();
        }
        let binary = root.join("build/qemu-system-x86_64");
        let path = [root.join("bin")];
        let check = |tool: &str, named: Option<&str>, on_path: Option<&str>| {
            let found = |path| ToolDirs::of(&binary, path).find(tool);
            let expect = |file: Option<&str>| file.map(|file| root.join(file));
            assert_eq!(found(None), expect(named), "{tool}");
            assert_eq!(found(Some(&path)), expect(on_path), "{tool}");
        };
        let adjacent = Some("build/qemu-img");
        check("qemu-img", adjacent, adjacent);
        let daemon = Some("build/storage-daemon/qemu-storage-daemon");
        check("qemu-storage-daemon", daemon, daemon);
        check("qemu-nbd", None, Some("bin/qemu-nbd"));
        check("qemu-io", None, None);
    }

    #[test]
    fn variables_are_named_after_tools() {
        assert_eq!(variable("qemu-storage-daemon"), "QEMU_STORAGE_DAEMON");
    }
}
