//! Finds the kernel for `--kernel`: a file, or the kernel that a build tree made for an
//! architecture.

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::{Arch, Linux};

use crate::config::Config;
use crate::error::KernelError;
use crate::file::{KernelFile, Target};

/// A kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The file that QEMU boots.
    pub path: Utf8PathBuf,
    /// The facts about the file.
    pub file: KernelFile,
    /// The kernel with symbols in its build tree.
    pub symbols: Option<Utf8PathBuf>,
}

/// The name of the kernel with symbols in every build tree.
const VMLINUX: &str = "vmlinux";

/// The kernel in a file or build tree, for guests of an architecture whose own kernel is for
/// `target`.
pub fn find(place: &Utf8Path, arch: &Arch, target: Target) -> Result<Kernel, KernelError> {
    let kernel = if place.is_dir() {
        in_tree(place, &arch.linux)?
    } else {
        Kernel {
            path: place.to_owned(),
            file: identify(place)?,
            symbols: None,
        }
    };
    if kernel.file.target != target {
        return Err(KernelError::Target {
            path: kernel.path,
            arch: arch.name.clone(),
            expected: target,
            found: kernel.file.target,
        });
    }
    check_config(place, arch)?;
    Ok(kernel)
}

/// Identifies a kernel file.
pub(crate) fn identify(path: &Utf8Path) -> Result<KernelFile, KernelError> {
    if !path.exists() {
        return Err(KernelError::Absent(path.to_owned()));
    }
    let bytes = host::files::read(path)?;
    KernelFile::identify(&bytes).ok_or_else(|| KernelError::Format(path.to_owned()))
}

/// The first file that QEMU can boot and that is not older than `vmlinux`. If only `vmlinux` was
/// rebuilt, the other files are from an earlier build.
fn in_tree(tree: &Utf8Path, linux: &Linux) -> Result<Kernel, KernelError> {
    let vmlinux = tree.join(VMLINUX);
    let linked = host::files::modified(&vmlinux).ok();
    let names = [Some(linux.image.as_str()), linux.compressed.as_deref()];
    // On machines with compressed kernels, an ELF file can boot only by PVH.
    let needs_pvh = linux.compressed.is_some();
    let last = needs_pvh.then_some(VMLINUX);
    let names: Vec<&str> = names.into_iter().flatten().chain(last).collect();
    let mut stale = None;
    for name in &names {
        let path = tree.join(name);
        if !path.is_file() {
            continue;
        }
        if host::files::modified(&path).ok() < linked {
            stale.get_or_insert(path);
            continue;
        }
        let file = identify(&path)?;
        let is_compressed = linux.compressed.as_deref() == Some(*name);
        if needs_pvh && !is_compressed && !file.has_pvh {
            continue;
        }
        return Ok(Kernel {
            path,
            file,
            symbols: vmlinux.is_file().then_some(vmlinux),
        });
    }
    let make = make(tree, linux);
    Err(match stale {
        Some(file) => KernelError::Stale { file, make },
        None => KernelError::NotBuilt {
            tree: tree.to_owned(),
            expected: names.into_iter().map(str::to_owned).collect(),
            make,
        },
    })
}

/// Checks the config of a build tree before the kernel is booted.
fn check_config(tree: &Utf8Path, arch: &Arch) -> Result<(), KernelError> {
    let Some(text) = host::files::read_text(&tree.join(".config")).unwrap_or_default() else {
        return Ok(());
    };
    let Some(machine) = arch.qemu.machines.get(&arch.qemu.machine) else {
        return Ok(());
    };
    let missing = Config::parse(&text).lacks(machine.virtio.as_deref());
    if missing.is_empty() {
        return Ok(());
    }
    Err(KernelError::Config {
        tree: tree.to_owned(),
        missing,
        make: make(tree, &arch.linux),
    })
}

fn make(tree: &Utf8Path, linux: &Linux) -> Vec<String> {
    let words = [
        "make",
        "-C",
        tree.as_str(),
        &format!("ARCH={}", linux.arch),
        &linux.target,
    ];
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// An ELF file for machine 62, with or without the note of the PVH entry point.
    fn vmlinux(has_pvh: bool) -> Vec<u8> {
        let mut bytes = vec![0; 0x200];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, b"\x7fELF\x02\x01\x01");
        put(18, &[62, 0]);
        put(32, &[0x40]);
        put(54, &[56, 0, 1]);
        put(0x40, &[4, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        put(0x60, &[16]);
        put(0x100, &[4, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0]);
        put(0x10c, if has_pvh { b"Xen\0" } else { b"GNU\0" });
        bytes
    }

    fn bzimage() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x236] = 1;
        bytes
    }

    const LINUX: &str = "arch/x86/boot/compressed/vmlinux.bin";
    const COMPRESSED: &str = "arch/x86/boot/bzImage";

    fn linux(compressed: bool) -> Linux {
        Linux {
            arch: "x86_64".to_owned(),
            target: "bzImage".to_owned(),
            image: LINUX.to_owned(),
            small: false,
            device_tree: None,
            u_boot: None,
            compressed: compressed.then(|| COMPRESSED.to_owned()),
            make: Vec::new(),
        }
    }

    /// Files of a tree, each with its age in seconds.
    fn tree(files: &[(&str, Vec<u8>, u64)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes, age) in files {
            let path = dir.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, bytes).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
            let file = fs_err::File::options().write(true).open(&path).unwrap();
            file.file().set_modified(time).unwrap();
        }
        dir
    }

    #[test]
    fn tree_provides_the_first_bootable_file() {
        let check = |compressed, files: &[(&str, Vec<u8>, u64)], expect: Result<&str, &str>| {
            let dir = tree(files);
            let root = Utf8Path::from_path(dir.path()).unwrap();
            let found = in_tree(root, &linux(compressed));
            let found = found
                .map(|kernel| kernel.path.strip_prefix(root).unwrap().to_string())
                .map_err(|error| error.to_string().replace(root.as_str(), "TREE"));
            assert_eq!(found.as_deref().map_err(String::as_str), expect);
        };
        let all = |pvh| {
            [
                (VMLINUX, vmlinux(pvh), 3),
                (LINUX, vmlinux(pvh), 2),
                (COMPRESSED, bzimage(), 1),
            ]
        };
        check(true, &all(true), Ok(LINUX));
        check(true, &all(false), Ok(COMPRESSED));
        check(true, &[(VMLINUX, vmlinux(true), 0)], Ok(VMLINUX));
        let linked_again = [(VMLINUX, vmlinux(true), 0), (COMPRESSED, bzimage(), 1)];
        check(true, &linked_again, Ok(VMLINUX));
        let linked_again = [(VMLINUX, vmlinux(false), 0), (COMPRESSED, bzimage(), 1)];
        let stale = format!("`TREE/{COMPRESSED}` is older than the `vmlinux` of its build tree");
        check(true, &linked_again, Err(&stale));
        check(false, &all(false), Ok(LINUX));
        let nothing = format!("no kernel in the build tree `TREE`: expected `{LINUX}`");
        check(false, &[("Makefile", Vec::new(), 0)], Err(&nothing));
        let text = [(LINUX, b"text".to_vec(), 0)];
        let format = format!(
            "`TREE/{LINUX}` is not a kernel: expected an ELF file, a bzImage, or an Image, plain or \
             gzip-compressed"
        );
        check(false, &text, Err(&format));
    }

    #[test]
    fn tree_without_a_kernel_names_every_architecture() {
        let error = |expected: &str| KernelError::NotBuilt {
            tree: "/t".into(),
            expected: vec![expected.to_owned()],
            make: make(Utf8Path::new("/t"), &linux(false)),
        };
        let both = crate::summary(vec![error("Image"), error("bzImage")]).unwrap();
        let text = "no kernel in the build tree `/t`: expected `Image` or `bzImage`";
        assert_eq!(both.to_string(), text);
        assert_eq!(both.hint().unwrap(), "make -C /t");
        let format = KernelError::Format("/t/Image".into());
        let found = crate::summary(vec![error("bzImage"), format]).unwrap();
        assert!(found.to_string().contains("is not a kernel"), "{found}");
    }
}
