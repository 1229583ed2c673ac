//! Finds the QEMU binary of an architecture: on PATH, in a directory, in a QEMU build tree.

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::QemuProfile;

use crate::error::QemuError;

/// Where the profile's binary is. `place` is a binary, a directory that holds it, or a QEMU source
/// tree whose `build/` holds it. QEMU finds its firmware from its own path.
pub fn locate(place: Option<&Utf8Path>, profile: &QemuProfile) -> Result<Utf8PathBuf, QemuError> {
    let name = &profile.binary;
    let Some(place) = place else {
        return host::tools::find(name).ok_or_else(|| QemuError::NotFound {
            binary: name.clone(),
            place: String::new(),
        });
    };
    candidates(place, name)
        .into_iter()
        .find(|path| path.is_file())
        .map(|path| path.canonicalize_utf8().unwrap_or(path))
        .ok_or_else(|| QemuError::NotFound {
            binary: name.clone(),
            place: format!(" in `{place}`"),
        })
}

/// The paths that are tried, best first. A file counts only when it is this architecture's binary:
/// `--qemu` may name one binary in a run of several architectures.
fn candidates(place: &Utf8Path, name: &str) -> Vec<Utf8PathBuf> {
    let mut paths = vec![place.join(name), place.join("build").join(name)];
    paths.push(place.join("bin").join(name));
    match place.file_name() {
        Some(file) if file == name => paths.insert(0, place.to_owned()),
        // The other architectures' binaries lie beside the one that was named.
        Some(_) if place.is_file() => {
            if let Some(directory) = place.parent() {
                paths.push(directory.join(name));
            }
        }
        _ => {}
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

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
            machines: BTreeMap::new(),
            ordinary: Ordinary {
                kernel: OrdinaryKernel::Plain,
                args: Vec::new(),
                append: String::new(),
            },
        }
    }

    #[test]
    fn a_binary_is_found_in_the_places_a_developer_names() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        for directory in ["installed/bin", "source/build", "flat"] {
            fs_err::create_dir_all(root.join(directory)).unwrap();
            for name in ["qemu-system-a", "qemu-system-b"] {
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
        check(
            "flat/qemu-system-a",
            "qemu-system-b",
            Some("flat/qemu-system-b"),
        );
        check("flat", "qemu-system-c", None);
        check("nowhere", "qemu-system-a", None);
    }

    #[test]
    fn a_missing_binary_is_named_with_its_place_and_the_way_to_get_it() {
        let error = locate(Some(Utf8Path::new("/nowhere")), &profile("qemu-system-a"));
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`qemu-system-a` was not found in `/nowhere`"
        );
        let hint = error.hint().unwrap();
        assert_eq!(
            hint,
            "build it there (`ninja qemu-system-a`), or give `--qemu` another place"
        );
        let error = locate(None, &profile("qemu-system-nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "`qemu-system-nowhere` was not found");
        assert!(error.hint().unwrap().contains("cargo xtask setup"));
    }
}
