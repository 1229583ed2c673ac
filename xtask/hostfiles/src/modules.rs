//! The modules of a kernel and their dependencies, from `modules.dep` (depmod(8)) or, in a build
//! tree, from the modules themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use elf::Elf;
use lzma_rust2::XzReader;

use crate::error::HostFilesError;
use crate::loader::at;

/// The directory of the modules of a host's kernels.
pub(crate) const DIRECTORY: &str = "/lib/modules";

/// The modules of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// The release, as in `uname -r`.
    pub release: String,
    directory: Utf8PathBuf,
    /// Paths below the directory, by name.
    files: BTreeMap<String, Utf8PathBuf>,
    /// Dependencies by name. Absent for a module that must be read first.
    dependencies: BTreeMap<String, Vec<String>>,
    built_in: BTreeSet<String>,
}

/// A module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Its path in the guest.
    pub(crate) path: Utf8PathBuf,
    /// Its content, decompressed if the format is supported.
    pub(crate) bytes: Vec<u8>,
    /// Its parameters, `name=value`, separated by spaces.
    pub(crate) parameters: String,
}

/// Some modules with their dependencies.
#[derive(Default)]
struct Closure<'a> {
    /// The parameters of the modules that the caller named.
    parameters: BTreeMap<&'a str, String>,
    /// Also has those whose dependencies are still being visited, so a cycle ends.
    visited: BTreeSet<String>,
    /// Each module after its dependencies.
    order: Vec<Loaded>,
}

impl Modules {
    /// The installed modules of a release below `root`.
    pub fn installed(root: &Utf8Path, release: &str) -> std::io::Result<Self> {
        let directory = at(root, Utf8Path::new(DIRECTORY)).join(release);
        let list = host::files::read_text(&directory.join("modules.dep"))?;
        let mut modules = Self::listed(&directory, release)?;
        for line in list.unwrap_or_default().lines() {
            let Some((file, others)) = line.split_once(':') else {
                continue;
            };
            let others = others.split_whitespace().map(name).collect();
            modules.dependencies.insert(name(file), others);
            modules.files.insert(name(file), file.into());
        }
        Ok(modules)
    }

    /// The modules of a build tree, empty if none were built.
    pub fn built(tree: &Utf8Path) -> std::io::Result<Self> {
        let release = host::files::read_text(&tree.join("include/config/kernel.release"))?;
        Self::listed(tree, release.unwrap_or_default().trim())
    }

    /// Whether the modules of the kernel are known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.files.is_empty() || !self.built_in.is_empty()
    }

    /// The files in the list of the kernel's build.
    fn listed(directory: &Utf8Path, release: &str) -> std::io::Result<Self> {
        let read = |file: &str| host::files::read_text(&directory.join(file));
        let order = read("modules.order")?.unwrap_or_default();
        let built_in = read("modules.builtin")?.unwrap_or_default();
        // Since Linux 6.4 the list in a build tree has the names of objects.
        let file = |line: &str| Utf8PathBuf::from(line).with_extension("ko");
        let listed = order.lines().map(|line| (name(line), file(line)));
        let there = listed.filter(|(_, file)| directory.join(file).is_file());
        Ok(Self {
            release: release.to_owned(),
            directory: directory.to_owned(),
            files: there.collect(),
            dependencies: BTreeMap::new(),
            built_in: built_in.lines().map(name).collect(),
        })
    }

    /// Some modules, each given as `NAME [PARAMETER=VALUE]...`, after all their dependencies.
    pub(crate) fn closure(&self, wanted: &[String]) -> Result<Vec<Loaded>, HostFilesError> {
        let split = |text: &str| {
            let (name, parameters) = text.split_once(' ').unwrap_or((text, ""));
            (self::name(name), parameters.trim().to_owned())
        };
        let wanted: Vec<_> = wanted.iter().map(|text| split(text.trim())).collect();
        let mut closure = Closure::default();
        for (name, parameters) in &wanted {
            let all = closure.parameters.entry(name).or_default();
            *all += " ";
            *all += parameters;
        }
        for (name, _) in &wanted {
            self.visit(name, &mut closure)?;
        }
        Ok(closure.order)
    }

    fn visit(&self, name: &str, closure: &mut Closure<'_>) -> Result<(), HostFilesError> {
        let is_first = closure.visited.insert(name.to_owned());
        if !is_first || self.built_in.contains(name) {
            return Ok(());
        }
        let absent = || HostFilesError::NoModule {
            module: name.to_owned(),
            release: self.release.clone(),
        };
        let file = self.files.get(name).ok_or_else(absent)?;
        let (path, bytes) = self.read(file)?;
        let listed = self.dependencies.get(name);
        let others = match listed {
            Some(others) => others.clone(),
            None => depends(&self.directory.join(file), &bytes)?,
        };
        for other in others {
            self.visit(&other, closure)?;
        }
        let parameters = closure.parameters.get(name).map_or("", |all| all.trim());
        let parameters = parameters.to_owned();
        closure.order.push(Loaded {
            path,
            bytes,
            parameters,
        });
        Ok(())
    }

    /// Reads a module and decompresses gzip and xz. The guest loads a file with another compression
    /// unchanged, which works if the host's tools and kernel support it.
    fn read(&self, file: &Utf8Path) -> Result<(Utf8PathBuf, Vec<u8>), HostFilesError> {
        let bytes = host::files::read(&self.directory.join(file))?;
        let guest = Utf8Path::new(DIRECTORY).join(&self.release).join(file);
        let mut plain = Vec::new();
        match file.extension() {
            Some("gz") => flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain)?,
            Some("xz") => XzReader::new(&*bytes, true).read_to_end(&mut plain)?,
            _ => return Ok((guest, bytes)),
        };
        Ok((guest.with_extension(""), plain))
    }
}

/// The name of a module in a path. The kernel treats `-` and `_` alike.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// The dependencies that a module declares: `depends=` in its section `.modinfo`.
fn depends(file: &Utf8Path, bytes: &[u8]) -> Result<Vec<String>, HostFilesError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(HostFilesError::Compressed(file.to_owned()));
    }
    let module = Elf::parse(bytes);
    let info = module
        .as_ref()
        .and_then(|module| module.section(".modinfo"));
    let info = info.ok_or_else(|| HostFilesError::NotAModule(file.to_owned()))?;
    let texts = info.bytes.split(|byte| *byte == 0);
    let found = texts.filter_map(|text| text.strip_prefix(b"depends="));
    let found = found.map(String::from_utf8_lossy);
    let names = found.flat_map(|names| names.split(',').map(name).collect::<Vec<_>>());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A relocatable file whose only content is this section `.modinfo`.
    fn module(info: &str) -> Vec<u8> {
        let names = b"\0.modinfo\0";
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(64, 0);
        bytes[16] = 1;
        let headers = 64 + info.len() + names.len();
        bytes[40..48].copy_from_slice(&(headers as u64).to_le_bytes());
        bytes[58] = 64;
        bytes[60] = 2;
        bytes[62] = 1;
        bytes.extend(info.bytes());
        bytes.extend(names);
        for (name, offset, size) in [(1_u32, 64, info.len()), (0, 64 + info.len(), names.len())] {
            let mut header = vec![0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[4] = 1;
            header[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            bytes.extend(header);
        }
        bytes
    }

    struct Fixture {
        _directory: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl Fixture {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(directory.path()).unwrap().to_owned();
            for (path, bytes) in files {
                host::files::write(&root.join(path), bytes).unwrap();
            }
            Self {
                _directory: directory,
                root,
            }
        }
    }

    fn check(modules: &Modules, wanted: &[&str], expect: Result<&[&str], &str>) {
        let wanted: Vec<_> = wanted.iter().map(|&name| name.to_owned()).collect();
        let found = modules.closure(&wanted);
        let found = found.map(|all| {
            let all = all.iter();
            let line = |loaded: &Loaded| format!("{} {}", loaded.path, loaded.parameters);
            all.map(|loaded| line(loaded).trim().to_owned())
                .collect::<Vec<_>>()
        });
        let expect = expect.map(|all| all.iter().map(|&path| path.to_owned()).collect());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, expect.map_err(str::to_owned));
    }

    #[test]
    fn dependencies_of_installed_modules_come_first() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"core").unwrap();
        let dep = "kernel/a/usb-core.ko.gz:\n\
                   kernel/a/uhci-hcd.ko: kernel/a/usb-core.ko.gz\n\
                   kernel/a/gone.ko:\n";
        let folder = |name: &str| format!("lib/modules/6.1/{name}");
        let names = [
            "modules.dep",
            "modules.builtin",
            "kernel/a/usb-core.ko.gz",
            "kernel/a/uhci-hcd.ko",
        ]
        .map(folder);
        let gz = gz.finish().unwrap();
        let contents: [&[u8]; 4] = [dep.as_bytes(), b"kernel/b/virtio_pci.ko\n", &gz, b"uhci"];
        let files: Vec<_> = names.iter().map(String::as_str).zip(contents).collect();
        let fixture = Fixture::new(&files);
        let modules = Modules::installed(&fixture.root, "6.1").unwrap();
        let core = "/lib/modules/6.1/kernel/a/usb-core.ko";
        let uhci = "/lib/modules/6.1/kernel/a/uhci-hcd.ko";
        check(&modules, &["uhci_hcd", "usb-core"], Ok(&[core, uhci]));
        check(
            &modules,
            &["uhci-hcd debug=1 x=2"],
            Ok(&[core, &format!("{uhci} debug=1 x=2")]),
        );
        check(
            &modules,
            &["uhci-hcd", "usb-core debug=1", "usb_core x=2"],
            Ok(&[&format!("{core} debug=1 x=2"), uhci]),
        );
        check(&modules, &["virtio-pci"], Ok(&[]));
        check(
            &modules,
            &["ohci"],
            Err("the kernel 6.1 has no module `ohci`"),
        );
        let loaded = modules.closure(&["usb_core".to_owned()]).unwrap();
        assert_eq!(loaded[0].bytes, b"core");
    }

    #[test]
    fn cyclic_modules_are_loaded_once() {
        let fixture = Fixture::new(&[
            ("lib/modules/6.1/modules.dep", b"a.ko: b.ko\nb.ko: a.ko\n"),
            ("lib/modules/6.1/a.ko", b"a"),
            ("lib/modules/6.1/b.ko", b"b"),
        ]);
        let modules = Modules::installed(&fixture.root, "6.1").unwrap();
        let expect = ["/lib/modules/6.1/b.ko", "/lib/modules/6.1/a.ko"];
        check(&modules, &["a"], Ok(&expect));
    }

    #[test]
    fn modules_of_a_build_tree_name_their_dependencies() {
        let uhci = module("license=GPL\0depends=usb-common,usbcore\0name=uhci_hcd\0");
        let core = module("depends=usb-common\0");
        let common = module("depends=\0");
        let fixture = Fixture::new(&[
            ("include/config/kernel.release", b"6.12.0+\n"),
            (
                "modules.order",
                b"u/usb-common.o\nu/usbcore.o\nu/uhci-hcd.ko\nu/bad.o\nu/unmade.o\n",
            ),
            ("u/usb-common.ko", &common),
            ("u/usbcore.ko", &core),
            ("u/uhci-hcd.ko", &uhci),
            ("u/bad.ko", b"\x7fELF"),
        ]);
        let modules = Modules::built(&fixture.root).unwrap();
        let path = |name: &str| format!("/lib/modules/6.12.0+/u/{name}.ko");
        let all = ["usb-common", "usbcore", "uhci-hcd"].map(path);
        check(
            &modules,
            &["uhci_hcd"],
            Ok(&all.each_ref().map(String::as_str)),
        );
        check(
            &modules,
            &["unmade"],
            Err("the kernel 6.12.0+ has no module `unmade`"),
        );
        let bad = format!("`{}` is not a kernel module", fixture.root.join("u/bad.ko"));
        check(&modules, &["bad"], Err(&bad));
    }
}
