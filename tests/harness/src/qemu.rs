//! The QEMU binaries of this host.

use std::process::Command;

use crate::{root, skip};

/// The file of an architecture.
fn target(arch: &str) -> String {
    let file = root().join("images").join(format!("{arch}.toml"));
    std::fs::read_to_string(file).unwrap()
}

/// Whether commands without `--arch` include an architecture.
pub fn is_default(arch: &str) -> bool {
    !target(arch).lines().any(|line| line == "default = false")
}

/// The QEMU binary of an architecture.
pub fn binary(arch: &str) -> String {
    let text = target(arch);
    let line = text.lines().find_map(|line| line.strip_prefix("binary = "));
    line.unwrap().trim_matches('"').to_owned()
}

/// Whether the QEMU of an architecture is installed.
pub fn is_installed(arch: &str) -> bool {
    let version = Command::new(binary(arch)).arg("--version").output();
    version.is_ok()
}

/// The architectures whose QEMU is installed and whose image is in the repository, sorted.
pub fn arches() -> Vec<String> {
    let prebuilt = std::fs::read_dir(root().join("images/prebuilt")).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().ok()?;
        Some(name.strip_suffix(".tar.xz")?.to_owned())
    };
    let arches = prebuilt.filter_map(name).filter(|arch| is_installed(arch));
    let mut arches: Vec<String> = arches.collect();
    arches.sort();
    arches
}

/// One of them. Without one, the calling test is skipped.
pub fn arch() -> Option<String> {
    let arch = arches().pop();
    if arch.is_none() {
        skip("no QEMU is installed for any image of the repository");
    }
    arch
}
