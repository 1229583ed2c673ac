//! The modules of a kernel and their dependencies, from the lists of depmod(8) or, in a build tree,
//! from the modules themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::OnceLock;

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
    /// Soft dependencies by name. In a build tree, the modules have them.
    soft: BTreeMap<String, Soft>,
    /// Modules by alias, without aliases that are patterns. Read from a build tree when first needed.
    aliases: OnceLock<BTreeMap<String, Vec<String>>>,
    built_in: BTreeSet<String>,
}

/// What modprobe loads in addition to a module, if it exists: names or aliases of modules
/// (modprobe.d(5), `softdep`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Soft {
    before: Vec<String>,
    after: Vec<String>,
}

impl Soft {
    /// Adds `pre: NAME... post: NAME...`.
    fn add(&mut self, text: &str) {
        let mut list = None;
        for word in text.split_whitespace() {
            match (word, &mut list) {
                ("pre:", _) => list = Some(&mut self.before),
                ("post:", _) => list = Some(&mut self.after),
                (word, Some(list)) => list.push(plain(word)),
                // modprobe ignores names before the first list.
                (_, None) => {}
            }
        }
    }
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
        let list = host::files::read_text(&directory.join("modules.softdep"))?;
        for line in list.unwrap_or_default().lines() {
            if let Some((module, text)) = line
                .strip_prefix("softdep ")
                .and_then(|rest| rest.split_once(' '))
            {
                modules.soft.entry(name(module)).or_default().add(text);
            }
        }
        let list = host::files::read_text(&directory.join("modules.alias"))?;
        let list = list.unwrap_or_default();
        let aliases = list.lines().filter_map(|line| {
            let (alias, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
            Some((alias, name(module)))
        });
        modules.aliases = OnceLock::from(by_alias(aliases));
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
            soft: BTreeMap::new(),
            aliases: OnceLock::new(),
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
        let (others, soft) = match self.dependencies.get(name) {
            Some(others) => (others.clone(), self.soft.get(name).cloned()),
            None => depends(&self.directory.join(file), &bytes)?,
        };
        let soft = soft.unwrap_or_default();
        self.visit_soft(&soft.before, closure)?;
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
        self.visit_soft(&soft.after, closure)
    }

    /// Visits soft dependencies. One that does not exist is left out, as modprobe does.
    fn visit_soft(
        &self,
        names: &[String],
        closure: &mut Closure<'_>,
    ) -> Result<(), HostFilesError> {
        for name in names {
            let is_module = self.files.contains_key(name) || self.built_in.contains(name);
            let modules = if is_module {
                std::slice::from_ref(name)
            } else {
                self.aliases()?.get(name).map_or(&[][..], Vec::as_slice)
            };
            for module in modules {
                self.visit(module, closure)?;
            }
        }
        Ok(())
    }

    /// The modules by alias.
    fn aliases(&self) -> Result<&BTreeMap<String, Vec<String>>, HostFilesError> {
        if let Some(aliases) = self.aliases.get() {
            return Ok(aliases);
        }
        let mut found = Vec::new();
        for (module, file) in &self.files {
            let (_, bytes) = self.read(file)?;
            for alias in values(&self.directory.join(file), &bytes, "alias=")? {
                found.push((alias, module.clone()));
            }
        }
        let found = found.iter();
        let found = found.map(|(alias, module)| (alias.as_str(), module.clone()));
        Ok(self.aliases.get_or_init(|| by_alias(found)))
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
    plain(file.split('.').next().unwrap_or(file))
}

/// A name or an alias as the kernel compares it.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Groups modules by alias, without the aliases that are patterns, such as those of PCI devices.
fn by_alias<'a>(aliases: impl Iterator<Item = (&'a str, String)>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for (alias, module) in aliases.filter(|(alias, _)| !alias.contains(['*', '?', '['])) {
        found.entry(plain(alias)).or_default().push(module);
    }
    found
}

/// The dependencies and soft dependencies that a module declares.
fn depends(file: &Utf8Path, bytes: &[u8]) -> Result<(Vec<String>, Option<Soft>), HostFilesError> {
    let lists = values(file, bytes, "depends=")?;
    let names = lists.iter().flat_map(|names| names.split(',').map(name));
    let mut soft = Soft::default();
    for text in values(file, bytes, "softdep=")? {
        soft.add(&text);
    }
    Ok((names.filter(|name| !name.is_empty()).collect(), Some(soft)))
}

/// The values of a key in the section `.modinfo` of a module.
fn values(file: &Utf8Path, bytes: &[u8], key: &str) -> Result<Vec<String>, HostFilesError> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(HostFilesError::Compressed(file.to_owned()));
    }
    let module = Elf::parse(bytes);
    let info = module
        .as_ref()
        .and_then(|module| module.section(".modinfo"));
    let info = info.ok_or_else(|| HostFilesError::NotAModule(file.to_owned()))?;
    let texts = info.bytes.split(|byte| *byte == 0);
    let found = texts.filter_map(|text| text.strip_prefix(key.as_bytes()));
    let found = found.map(|value| String::from_utf8_lossy(value).into_owned());
    Ok(found.collect())
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
    fn soft_dependencies_are_loaded_if_they_exist() {
        let fixture = Fixture::new(&[
            (
                "lib/modules/6.1/modules.dep",
                b"ext4.ko: jbd2.ko\njbd2.ko:\ncrc32c_generic.ko:\ncrc32c-intel.ko:\nlate.ko:\n",
            ),
            (
                "lib/modules/6.1/modules.softdep",
                b"# Soft.\nsoftdep ext4 nls pre: crypto-crc32c gone post: late\nsoftdep jbd2 pre: virtio-blk\n",
            ),
            (
                "lib/modules/6.1/modules.alias",
                b"alias pci:v*d* jbd2\nalias crypto-crc32c crc32c_intel\nalias crypto-crc32c crc32c_generic\n",
            ),
            ("lib/modules/6.1/modules.builtin", b"kernel/virtio_blk.ko\n"),
            ("lib/modules/6.1/ext4.ko", b"e"),
            ("lib/modules/6.1/jbd2.ko", b"j"),
            ("lib/modules/6.1/crc32c_generic.ko", b"g"),
            ("lib/modules/6.1/crc32c-intel.ko", b"i"),
            ("lib/modules/6.1/late.ko", b"l"),
        ]);
        let modules = Modules::installed(&fixture.root, "6.1").unwrap();
        let path = |name: &str| format!("/lib/modules/6.1/{name}.ko");
        let all = ["crc32c-intel", "crc32c_generic", "jbd2", "ext4", "late"].map(path);
        check(&modules, &["ext4"], Ok(&all.each_ref().map(String::as_str)));
    }

    #[test]
    fn soft_dependencies_are_read_from_built_modules() {
        let fixture = Fixture::new(&[
            ("include/config/kernel.release", b"6.12.0\n"),
            ("modules.order", b"ext4.o\ncrc32c_generic.o\n"),
            ("ext4.ko", &module("depends=\0softdep=pre: crypto-crc32c\0")),
            (
                "crc32c_generic.ko",
                &module("alias=crypto-crc32c\0depends=\0"),
            ),
        ]);
        let modules = Modules::built(&fixture.root).unwrap();
        let path = |name: &str| format!("/lib/modules/6.12.0/{name}.ko");
        let all = ["crc32c_generic", "ext4"].map(path);
        check(&modules, &["ext4"], Ok(&all.each_ref().map(String::as_str)));
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
