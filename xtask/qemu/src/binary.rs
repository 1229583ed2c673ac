//! Finds the QEMU binary of an architecture: on PATH, in a directory, or in a QEMU build tree. A
//! regular file given by the user is the binary, whatever its name. `probe` asks a binary for its
//! target.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::Command;
use plan::arch::QemuProfile;

use crate::error::QemuError;

/// The prefix of the names of QEMU's system emulators.
const PREFIX: &str = "qemu-system-";

/// The target of a profile's QEMU, as in QMP `query-target`.
#[must_use]
pub fn target(profile: &QemuProfile) -> &str {
    let name = &profile.binary;
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The path of the profile's binary. `place` is a binary, a directory that contains it, or a QEMU
/// source tree whose `build/` contains it. QEMU finds its firmware from its own path.
pub fn locate(place: Option<&Utf8Path>, profile: &QemuProfile) -> Result<Utf8PathBuf, QemuError> {
    locate_name(place, &profile.binary)
}

/// The same for a binary of this name.
pub fn locate_name(place: Option<&Utf8Path>, name: &str) -> Result<Utf8PathBuf, QemuError> {
    let Some(place) = place else {
        return host::tools::find(name).ok_or_else(|| QemuError::NotFound {
            binary: name.to_owned(),
            place: String::new(),
        });
    };
    if place.is_file() {
        return Ok(absolute(place));
    }
    ["", "build", "bin"]
        .map(|folder| place.join(folder).join(name))
        .iter()
        .find(|path| path.is_file())
        .map(|path| absolute(path))
        .ok_or_else(|| QemuError::NotFound {
            binary: name.to_owned(),
            place: format!(" in `{place}`"),
        })
}

/// QEMU is started in another directory. Links are not resolved, because a wrapper may depend on
/// its name.
fn absolute(path: &Utf8Path) -> Utf8PathBuf {
    let absolute = camino::absolute_utf8(path);
    absolute.unwrap_or_else(|_| path.to_owned())
}

/// The directories in which a binary looks for firmware. Empty if it does not answer.
pub(crate) fn data_directories(binary: &Utf8Path, wait: Duration) -> Vec<Utf8PathBuf> {
    let output = Command::new(binary).args(["-L", "help"]).output(wait);
    let text = output
        .map(|output| output.stdout_text())
        .unwrap_or_default();
    text.lines().map(Utf8PathBuf::from).collect()
}

/// The `--version` output of a program that is not a QEMU system emulator. Called only if it does
/// not speak QMP.
pub(crate) fn not_qemu(binary: &Utf8Path, wait: Duration) -> Option<String> {
    let output = Command::new(binary).args(["--version"]).output(wait);
    let output = match output {
        Ok(output) => output,
        Err(error) => return Some(format!("failed: {error}")),
    };
    let text = output.stdout_text();
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("QEMU emulator version ") {
        return None;
    }
    let message: String = first.chars().filter(|c| !c.is_control()).collect();
    Some(match (message.as_str(), output.stderr_text().trim()) {
        ("", "") => format!("printed nothing and exited with {}", output.status),
        ("", error) => format!("ended with {}: {}", output.status, error.escape_debug()),
        (message, _) => format!("printed `{message}`"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use plan::arch::{Ordinary, OrdinaryKernel};

    use super::*;

    fn profile(binary: &str) -> QemuProfile {
        QemuProfile {
            binary: binary.into(),
            native: Vec::new(),
            machine: String::new(),
            qemu_test_machine: None,
            memory: String::new(),
            boot_timeout: Duration::from_secs(1),
            kvm_timeout_permille: 500,
            append: String::new(),
            without_driver: BTreeSet::new(),
            machines: BTreeMap::new(),
            ordinary: Ordinary {
                kernel: OrdinaryKernel::Plain,
                args: Vec::new(),
                append: String::new(),
            },
        }
    }

    #[test]
    fn binary_is_found_in_build_directories() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        for directory in ["installed/bin", "source/build", "flat"] {
            fs_err::create_dir_all(root.join(directory)).unwrap();
            for name in ["qemu-system-a", "qemu-system-a.old", "qemu-system-b"] {
                fs_err::write(root.join(directory).join(name), "").unwrap();
            }
        }
        let check = |place: &str, name: &str, expect: Option<&str>| {
            let found = locate(Some(&root.join(place)), &profile(name)).ok();
            assert_eq!(found, expect.map(|path| root.join(path)), "{place} {name}");
        };
        check("flat", "qemu-system-a", Some("flat/qemu-system-a"));
        check(
            "source",
            "qemu-system-a",
            Some("source/build/qemu-system-a"),
        );
        check(
            "source/build",
            "qemu-system-a",
            Some("source/build/qemu-system-a"),
        );
        check(
            "installed",
            "qemu-system-a",
            Some("installed/bin/qemu-system-a"),
        );
        check(
            "flat/qemu-system-a",
            "qemu-system-a",
            Some("flat/qemu-system-a"),
        );
        for named in ["flat/qemu-system-a.old", "flat/qemu-system-b"] {
            check(named, "qemu-system-a", Some(named));
        }
        check("flat", "qemu-system-c", None);
        check("nowhere", "qemu-system-a", None);
    }

    #[test]
    fn missing_binary_is_named_with_hint() {
        let error = locate(Some(Utf8Path::new("/nowhere")), &profile("qemu-system-a"));
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "`qemu-system-a` not found in `/nowhere`");
        let hint = error.hint().unwrap();
        assert_eq!(
            hint,
            "ninja qemu-system-a; or --qemu with another directory"
        );
        let error = locate(None, &profile("qemu-system-nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "`qemu-system-nowhere` not found");
        assert!(error.hint().unwrap().contains("cargo xtask setup"));
    }
}
