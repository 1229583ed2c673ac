//! The archive of a guest's host files, and the script that loads its modules.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use kernel::Target;
use plan::cpio::{Entry, Node, archive};

use crate::error::HostFilesError;
use crate::libraries::{Loader, target};
use crate::loader::{CACHE, at};
use crate::modules::{Loaded, Modules};

/// A host whose files are copied into guests.
#[derive(Debug, Clone)]
pub struct Host {
    /// `/` outside tests.
    root: Utf8PathBuf,
    /// The search path for programs.
    path: Vec<Utf8PathBuf>,
    /// The target of its programs.
    target: Target,
}

/// The requested files of a guest.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// Names on PATH, or absolute paths. A file that is neither a program nor a script is copied
    /// unchanged.
    pub programs: Vec<String>,
    /// Files with their paths in the guest; programs with their libraries.
    pub placed: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// The program that becomes `/bin/sh` of the guest.
    pub shell: Option<&'a str>,
    /// Modules to load before the image's init starts, each as `NAME [PARAMETER=VALUE]...`.
    pub modules: Vec<String>,
    /// The modules of the kernel. Absent if all its drivers are built in.
    pub of_kernel: Option<&'a Modules>,
}

/// An archive to append to the image's initramfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The archive, empty if nothing was requested.
    pub archive: Vec<u8>,
    /// The required kernel parameter.
    pub parameter: &'static str,
}

impl Request<'_> {
    /// Whether nothing is requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let has_modules = self.of_kernel.is_some() && !self.modules.is_empty();
        self.programs.is_empty() && self.placed.is_empty() && self.shell.is_none() && !has_modules
    }
}

/// Loads the modules instead of the image's init, and then starts that.
const LOAD: &str = "kiln/load-modules";
const PARAMETER: &str = "rdinit=/kiln/load-modules";
/// The shell of the image.
const SHELL: &str = "/bin/sh";
/// The host program that loads a module.
const INSMOD: &str = "insmod";
/// Directories that are missing from the PATH of unprivileged users.
const MORE_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Maximum depth of scripts that are interpreters of each other.
const DEPTH: u32 = 4;

impl Host {
    /// The host of a running program. The program's own file shows the target of programs.
    pub fn new(path: &[Utf8PathBuf], own: &Utf8Path) -> Result<Self, HostFilesError> {
        Self::at(Utf8Path::new("/"), path, own)
    }

    fn at(root: &Utf8Path, path: &[Utf8PathBuf], own: &Utf8Path) -> Result<Self, HostFilesError> {
        let bytes = host::files::read(own)?;
        let target = target(&bytes).ok_or_else(|| HostFilesError::Damaged(own.to_owned()))?;
        let more = MORE_DIRECTORIES.map(Utf8PathBuf::from);
        Ok(Self {
            root: root.to_owned(),
            path: path.iter().cloned().chain(more).collect(),
            target,
        })
    }

    /// The target of its programs.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// The archive with programs, their libraries and modules.
    pub fn overlay(&self, request: &Request<'_>) -> Result<Overlay, HostFilesError> {
        let loaded = match request.of_kernel {
            Some(modules) => modules.closure(&request.modules)?,
            None => Vec::new(),
        };
        let mut contents = Contents {
            host: self,
            loader: Loader::new(&self.root, self.target)?,
            nodes: BTreeMap::new(),
        };
        for program in &request.programs {
            contents.program(program, DEPTH)?;
        }
        for (file, path) in &request.placed {
            let bytes = host::files::read(file)?;
            contents.needs(file, &bytes, 0)?;
            contents.file(path, 0o755, bytes);
        }
        if let Some(shell) = request.shell {
            let shell = contents.program(shell, DEPTH)?;
            contents.link("bin/sh", &shell);
        }
        let mut parameter = "";
        if !loaded.is_empty() {
            let insmod = contents.program(INSMOD, DEPTH)?;
            contents.modules(&loaded, &insmod);
            parameter = PARAMETER;
        }
        if contents.nodes.is_empty() {
            return Ok(Overlay::default());
        }
        if let Ok(cache) = host::files::read(&at(&self.root, Utf8Path::new(CACHE))) {
            contents.file(Utf8Path::new(CACHE), 0o644, cache);
        }
        Ok(Overlay {
            archive: archive(&contents.entries(), 0)?,
            parameter,
        })
    }

    /// Finds a program by its name or path, and resolves symbolic links.
    fn find(&self, name: &str) -> Result<(Utf8PathBuf, Utf8PathBuf), HostFilesError> {
        let absent = || HostFilesError::NoProgram(name.to_owned());
        let named = if name.contains('/') {
            let path = Utf8PathBuf::from(name);
            Some(path).filter(|path| at(&self.root, path).is_file())
        } else {
            let directories = self.path.iter().map(|path| at(&self.root, path));
            let found = host::tools::find_in(name, &directories.collect::<Vec<_>>());
            found.map(|path| self.inside(&path))
        };
        let named = named.ok_or_else(absent)?;
        let real = fs_err::canonicalize(at(&self.root, &named))?;
        let real = Utf8PathBuf::try_from(real).map_err(|_| absent())?;
        Ok((named, self.inside(&real)))
    }

    /// Converts a path of the file system to one of the host.
    fn inside(&self, path: &Utf8Path) -> Utf8PathBuf {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        Utf8Path::new("/").join(inside)
    }
}

/// Directories over which the image's init mounts file systems.
const MOUNTED: [&str; 5] = ["/dev", "/proc", "/run", "/sys", "/tmp"];

/// The path of a file in the guest: the same, unless something is mounted over it.
fn visible(path: &Utf8Path, instead: &str) -> Utf8PathBuf {
    let is_hidden = MOUNTED.iter().any(|directory| path.starts_with(directory));
    match path.file_name().filter(|_| is_hidden) {
        Some(name) => Utf8Path::new(instead).join(name),
        None => path.to_owned(),
    }
}

/// The contents of the archive.
struct Contents<'a> {
    host: &'a Host,
    loader: Loader<'a>,
    nodes: BTreeMap<String, (u32, Node)>,
}

impl Contents<'_> {
    /// Adds a program with its dependencies. Returns its path in the guest.
    fn program(&mut self, name: &str, depth: u32) -> Result<Utf8PathBuf, HostFilesError> {
        let (named, real) = self.host.find(name)?;
        let file = named.file_name().unwrap_or(name).to_owned();
        let bytes = host::files::read(&at(&self.host.root, &real))?;
        let mode = self.needs(&real, &bytes, depth)?;
        let real = visible(&real, "/bin");
        self.file(&real, mode, bytes);
        // Takes precedence over the image's own program of that name.
        for link in [
            visible(&named, "/bin").into_string(),
            format!("/bin/{file}"),
        ] {
            if link != real {
                self.link(link.trim_start_matches('/'), &real);
            }
        }
        Ok(real)
    }

    /// Adds the dependencies of a file. Returns its mode.
    fn needs(&mut self, path: &Utf8Path, bytes: &[u8], depth: u32) -> Result<u32, HostFilesError> {
        if bytes.starts_with(b"\x7fELF") {
            for (path, bytes) in self.loader.closure(path, bytes)? {
                self.file(&visible(&path, "/lib"), 0o755, bytes);
            }
        } else if let Some(line) = bytes.strip_prefix(b"#!").filter(|_| depth > 0) {
            self.interpreter(path, line, depth)?;
        } else {
            return Ok(0o644);
        }
        Ok(0o755)
    }

    /// Adds the interpreter of a script: the first word of its first line, and the argument of
    /// `env`.
    fn interpreter(
        &mut self,
        script: &Utf8Path,
        line: &[u8],
        depth: u32,
    ) -> Result<(), HostFilesError> {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace();
        let Some(interpreter) = words.next() else {
            return Ok(());
        };
        let is_env = interpreter.ends_with("/env");
        let is_program = |word: &&str| !word.starts_with('-') && !word.contains('=');
        let program = words.find(is_program).filter(|_| is_env);
        for name in [Some(interpreter), program].into_iter().flatten() {
            if Utf8Path::new(name).file_name() == Some("sh") {
                // The shell of the image, which must not be replaced.
                if name.starts_with('/') && name != SHELL {
                    self.link(name.trim_start_matches('/'), Utf8Path::new(SHELL));
                }
                continue;
            }
            self.program(name, depth - 1).map_err(|error| match error {
                HostFilesError::NoProgram(interpreter) => HostFilesError::NoInterpreter {
                    interpreter,
                    of: script.to_owned(),
                },
                error => error,
            })?;
        }
        Ok(())
    }

    /// Adds modules, and the script that loads them. A failing module, such as a driver without a
    /// device, does not stop it.
    fn modules(&mut self, loaded: &[Loaded], insmod: &Utf8Path) {
        let mut script = "#!/bin/sh\n".to_owned();
        for module in loaded {
            let Loaded {
                path, parameters, ..
            } = module;
            let line = format!("/bin/{INSMOD} {path} {parameters}");
            script += line.trim();
            script += "\n";
            self.file(path, 0o644, module.bytes.clone());
        }
        script += "exec /init\n";
        self.link(&format!("bin/{INSMOD}"), insmod);
        self.file(&Utf8Path::new("/").join(LOAD), 0o755, script.into_bytes());
    }

    fn file(&mut self, path: &Utf8Path, mode: u32, bytes: Vec<u8>) {
        let path = path.as_str().trim_start_matches('/').to_owned();
        self.nodes.insert(path, (mode, Node::File(bytes)));
    }

    fn link(&mut self, path: &str, target: &Utf8Path) {
        let node = (0o777, Node::Symlink(target.to_string()));
        self.nodes.entry(path.to_owned()).or_insert(node);
    }

    /// All entries with their directories, sorted.
    fn entries(mut self) -> Vec<Entry> {
        let paths: Vec<_> = self.nodes.keys().cloned().collect();
        for path in paths {
            let parents = Utf8Path::new(&path).ancestors().skip(1);
            for parent in parents.filter(|parent| !parent.as_str().is_empty()) {
                let node = (0o755, Node::Directory);
                self.nodes.entry(parent.to_string()).or_insert(node);
            }
        }
        let entries = self.nodes.into_iter();
        let entry = |(path, (mode, node))| Entry { path, mode, node };
        entries.map(entry).collect()
    }
}

/// Writes the initramfs of an image followed by an archive to a file.
pub fn append_to(
    image: Option<&Utf8PathBuf>,
    archive: &[u8],
    file: &Utf8Path,
) -> Result<(), HostFilesError> {
    let image = image.map(|path| host::files::read(path)).transpose()?;
    let mut bytes = image.unwrap_or_default();
    bytes.extend(archive);
    Ok(host::files::write(file, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this host that is an ELF file.
    const OWN: &str = "/proc/self/exe";

    /// A root with programs.
    fn root(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        for (path, bytes) in files {
            host::files::write_program(&root.join(path), bytes).unwrap();
        }
        let path = [Utf8PathBuf::from("/usr/bin")];
        let host = Host::at(root, &path, Utf8Path::new(OWN)).unwrap();
        (directory, host)
    }

    fn has(overlay: &Overlay, path: &str) -> bool {
        let name = format!("{path}\0");
        let mut names = overlay.archive.windows(name.len());
        names.any(|window| window == name.as_bytes())
    }

    fn programs(names: &[&str]) -> Request<'static> {
        Request {
            programs: names.iter().map(|&name| name.to_owned()).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn script_brings_its_interpreters() {
        let (_root, host) = root(&[
            ("usr/bin/run", b"#!/usr/bin/env -S tool -x\n"),
            ("usr/bin/env", b"env"),
            ("usr/bin/tool", b"#!/opt/interpreter\n"),
            ("opt/interpreter", b"data"),
            ("etc/ld.so.cache", b"cache"),
        ]);
        let overlay = host.overlay(&programs(&["run"])).unwrap();
        for path in [
            "usr/bin/run",
            "bin/run",
            "usr/bin/env",
            "usr/bin/tool",
            "opt/interpreter",
            "etc/ld.so.cache",
        ] {
            assert!(has(&overlay, path), "{path}");
        }
        assert_eq!(overlay.parameter, "");
        assert_eq!(
            host.overlay(&Request::default()).unwrap(),
            Overlay::default()
        );
    }

    #[test]
    fn shell_of_the_image_is_kept() {
        let (_root, host) = root(&[
            ("usr/bin/a", b"#!/usr/bin/sh -e\n"),
            ("usr/bin/b", b"#!/usr/bin/env sh\n"),
            ("usr/bin/c", b"#!/usr/bin/env -S X=1 tool\n"),
            ("usr/bin/env", b"env"),
            ("usr/bin/sh", b"shell of the host"),
            ("usr/bin/tool", b"tool"),
        ]);
        let overlay = host.overlay(&programs(&["a", "b", "c"])).unwrap();
        assert!(has(&overlay, "usr/bin/tool"));
        let text = String::from_utf8_lossy(&overlay.archive);
        assert!(!text.contains("shell of the host"));
        // `usr/bin/sh` is a link.
        assert!(text.contains("usr/bin/sh\0") && text.contains("/bin/sh"));
    }

    #[test]
    fn program_of_this_host_brings_its_libraries() {
        let host = Host::new(&[], Utf8Path::new(OWN)).unwrap();
        let overlay = host.overlay(&programs(&[OWN])).unwrap();
        let bytes = host::files::read(Utf8Path::new(OWN)).unwrap();
        let dynamic = elf::Dynamic::parse(&bytes).unwrap();
        let files = dynamic.needed.iter().chain(&dynamic.interpreter);
        for file in files {
            let name = Utf8Path::new(file).file_name().unwrap();
            assert!(has(&overlay, name), "{name}");
        }
    }

    #[test]
    fn missing_files_are_reported() {
        let elf = host::files::read(Utf8Path::new(OWN)).unwrap();
        let mut foreign = elf.clone();
        foreign[18] ^= 0xff;
        let files: [(&str, &[u8]); 4] = [
            ("usr/bin/script", b"#!/opt/none\n"),
            ("usr/bin/foreign", &foreign),
            ("usr/bin/short", &elf[..80]),
            ("usr/bin/program", &elf),
        ];
        let (_root, host) = root(&files);
        let check = |name: &str, expect: &str| {
            let error = host.overlay(&programs(&[name])).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("none", "no program `none` on this host");
        check(
            "script",
            "no `/opt/none` on this host, the interpreter of `/usr/bin/script`",
        );
        check(
            "foreign",
            "`/usr/bin/foreign` is for another architecture: expected ELF machine",
        );
        let (_root, temporary) = root(&[("tmp/run", b"#!/bin/sh\n")]);
        let overlay = temporary.overlay(&programs(&["/tmp/run"])).unwrap();
        assert!(has(&overlay, "bin/run") && !has(&overlay, "tmp/run"));
        check("short", "`/usr/bin/short` is a damaged ELF file");
        let dynamic = elf::Dynamic::parse(&elf).unwrap();
        if let Some(interpreter) = dynamic.interpreter {
            check("program", &format!("no `{interpreter}` on this host"));
        }
    }

    #[test]
    fn modules_are_loaded_in_place_of_init() {
        let (root, host) = root(&[
            ("usr/bin/insmod", b"data"),
            ("lib/modules/6.1/modules.dep", b"a.ko: b.ko\nb.ko:\n"),
            ("lib/modules/6.1/a.ko", b"a"),
            ("lib/modules/6.1/b.ko", b"b"),
        ]);
        let root = Utf8Path::from_path(root.path()).unwrap();
        let modules = Modules::installed(root, "6.1").unwrap();
        let request = Request {
            modules: vec!["a x=1".to_owned()],
            of_kernel: Some(&modules),
            ..Request::default()
        };
        let overlay = host.overlay(&request).unwrap();
        assert_eq!(overlay.parameter, PARAMETER);
        let text = String::from_utf8_lossy(&overlay.archive);
        let script = "#!/bin/sh\n/bin/insmod /lib/modules/6.1/b.ko\n\
                      /bin/insmod /lib/modules/6.1/a.ko x=1\nexec /init\n";
        assert!(text.contains(script), "{text}");
    }
}
