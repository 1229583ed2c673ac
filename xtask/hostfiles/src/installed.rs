//! Finds the newest kernel that is installed on a host together with its modules.

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::HostFilesError;
use crate::loader::at;
use crate::modules::DIRECTORY;

/// A kernel of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The bootable file.
    pub path: Utf8PathBuf,
    /// The release, as in `uname -r`.
    pub release: String,
}

/// Prefixes of kernels in `/boot`, before the release.
const NAMES: [&str; 3] = ["vmlinuz-", "vmlinux-", "Image-"];
/// The name of a kernel in the directory of its modules.
const BESIDE_MODULES: &str = "vmlinuz";

/// The newest kernel below `root`, which is `/` outside tests.
pub fn newest(root: &Utf8Path) -> Result<Installed, HostFilesError> {
    let modules = at(root, Utf8Path::new(DIRECTORY));
    let boot = at(root, Utf8Path::new("/boot"));
    let mut found = Vec::new();
    for release in names(&modules)? {
        let in_boot = NAMES.map(|name| boot.join(format!("{name}{release}")));
        let beside = modules.join(&release).join(BESIDE_MODULES);
        let path = in_boot
            .into_iter()
            .chain([beside])
            .find(|path| path.is_file());
        found.extend(path.map(|path| Installed { path, release }));
    }
    let newest = found.into_iter().max_by(|one, other| {
        let key = |kernel: &Installed| parts(&kernel.release);
        key(one).cmp(&key(other))
    });
    newest.ok_or(HostFilesError::NoKernel)
}

fn names(directory: &Utf8Path) -> std::io::Result<Vec<String>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs_err::read_dir(directory)?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    Ok(names
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

/// The numbers of a release and the text between them, so that 6.12 is newer than 6.9.
fn parts(release: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = release;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (text, next) = tail.split_at(end);
        parts.push((number.parse().unwrap_or(0), text.to_owned()));
        rest = next;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_kernel_with_modules_is_found() {
        let check = |files: &[&str], expect: Option<&str>| {
            let root = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(root.path()).unwrap();
            for file in files {
                host::files::write(&root.join(file), b"").unwrap();
            }
            let found = newest(root).ok().map(|kernel| kernel.path);
            assert_eq!(found, expect.map(|path| root.join(path)), "{files:?}");
        };
        let old = ["boot/vmlinuz-6.9.1-1", "lib/modules/6.9.1-1/modules.dep"];
        let new = ["boot/vmlinuz-6.12.0-2", "lib/modules/6.12.0-2/modules.dep"];
        check(&[], None);
        check(&old, Some(old[0]));
        check(&[old, new].concat(), Some(new[0]));
        // Without modules it was not installed by a distribution.
        check(&[old[0], old[1], "boot/vmlinuz-6.30"], Some(old[0]));
        check(
            &["lib/modules/7.0/vmlinuz"],
            Some("lib/modules/7.0/vmlinuz"),
        );
    }
}
