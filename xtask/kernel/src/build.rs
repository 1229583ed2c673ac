//! Builds a kernel from a source tree, outside of it: `.config` from fragments, then the kernel and its
//! modules. A later build compiles only what has changed.
//!
//! The build directory also has a directory `kiln`. Its `edits.config` keeps the options that were
//! changed in `.config` since Kiln wrote it; they are requested again in the next build.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};
use plan::arch::Linux;

use crate::config::{Change, Config};
use crate::fragment::Fragments;
use crate::make_error::MakeError;

/// A build of a source tree.
#[derive(Debug, Clone)]
pub struct KernelBuild {
    /// The source tree.
    pub source: Utf8PathBuf,
    /// The build directory.
    pub output: Utf8PathBuf,
    /// The settings of the architecture.
    pub linux: Linux,
    /// The prefix of the compiler's name.
    pub prefix: String,
    /// Variables of the environment, `PATH` with the compiler among them.
    pub env: BTreeMap<String, String>,
    /// Further arguments for `make` when it compiles.
    pub arguments: Vec<String>,
    /// Number of parallel jobs.
    pub jobs: usize,
    /// How long one call of `make` may take.
    pub limit: Duration,
}

/// The config of a build.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The config.
    pub config: Config,
    /// The config of the build before, if there was one.
    pub previous: Option<Config>,
}

/// The directory of Kiln's own files in a build directory.
const OWN: &str = "kiln";
/// The requested options, in [`OWN`].
const FRAGMENT: &str = "fragment.config";
/// The config as Kiln generated it, in [`OWN`].
const GENERATED: &str = "generated.config";
/// The user's edits of the config, in [`OWN`].
const EDITS: &str = "edits.config";
/// The config that the kernel's build reads.
const CONFIG: &str = ".config";

/// Files and directories that every source tree has.
const TREE: [&str; 4] = ["Kconfig", "Makefile", "arch", "scripts/kconfig"];
/// What a build inside the source tree leaves, as the kernel's Makefile checks it.
const UNCLEAN: [&str; 2] = [CONFIG, "include/config"];

impl KernelBuild {
    /// Checks the source tree and the build directory before anything is written.
    pub fn check(&self) -> Result<(), MakeError> {
        let source = &self.source;
        if !source.is_dir() {
            return Err(MakeError::NoSource(source.clone()));
        }
        if let Some(missing) = TREE.iter().find(|name| !source.join(name).exists()) {
            return Err(MakeError::NotSource {
                directory: source.clone(),
                missing,
            });
        }
        if let Some(found) = UNCLEAN.iter().find(|name| source.join(name).exists()) {
            return Err(MakeError::Unclean {
                source_tree: source.clone(),
                found,
            });
        }
        if self.output == *source {
            return Err(MakeError::InSource(source.clone()));
        }
        // `arch/NAME/boot/…`: the kernel's directory of the architecture.
        let mut parts = self.linux.image.splitn(3, '/');
        if let (Some("arch"), Some(name)) = (parts.next(), parts.next())
            && !source.join("arch").join(name).is_dir()
        {
            return Err(MakeError::Arch {
                source_tree: source.clone(),
                name: name.to_owned(),
            });
        }
        let is_foreign = self.output.join(CONFIG).exists() && !self.own(FRAGMENT).exists();
        if is_foreign {
            return Err(MakeError::Foreign(self.output.clone()));
        }
        match self.output.join("source").canonicalize_utf8() {
            Ok(other) if Some(&other) != source.canonicalize_utf8().as_ref().ok() => {
                Err(MakeError::OtherSource {
                    output: self.output.clone(),
                    other,
                })
            }
            _ => Ok(()),
        }
    }

    /// Makes the config from the requested options and the user's edits.
    pub fn configure(
        &self,
        mut fragments: Fragments,
    ) -> Result<(Configured, Fragments), MakeError> {
        host::files::write(&self.own("README"), README.as_bytes())?;
        self.keep_edits()?;
        if let Some(edits) = host::files::read_text(&self.edits())? {
            fragments.add(&edits, self.edits().as_str())?;
        }
        let previous = host::files::read_text(&self.output.join(CONFIG))?;
        host::files::write(&self.own(FRAGMENT), fragments.text().as_bytes())?;
        let made = self.own("new.config");
        let command = self.make(&["allnoconfig"]);
        let command = command
            .env("KCONFIG_ALLCONFIG", self.own(FRAGMENT))
            .env("KCONFIG_CONFIG", &made);
        let output = command.output(self.limit)?;
        if !output.status.success() {
            return Err(MakeError::Config {
                output: output.stdout_text() + &String::from_utf8_lossy(&output.stderr),
            });
        }
        // Kconfig does not notice that a write has failed.
        if host::files::is_full(&self.output)? {
            return Err(MakeError::Full(self.output.clone()));
        }
        let text = host::files::read_text(&made)?.unwrap_or_default();
        // Compilation depends on the time of the file.
        if previous.as_ref() != Some(&text) {
            // Without this file, the difference is not mistaken for edits if the run ends here.
            remove(&self.own(GENERATED))?;
            host::files::write(&self.output.join(CONFIG), text.as_bytes())?;
        }
        host::files::write(&self.own(GENERATED), text.as_bytes())?;
        let configured = Configured {
            config: Config::parse(&text),
            previous: previous.map(|text| Config::parse(&text)),
        };
        Ok((configured, fragments))
    }

    /// Opens the config in the kernel's editor on this terminal. Returns what was changed.
    pub fn edit(&self) -> Result<Vec<Change>, MakeError> {
        let make = self.make(&["menuconfig"]);
        let make = make.stdin(Stdio::Inherit).same_group();
        self.run("menuconfig", make)?;
        self.keep_edits()
    }

    /// Compiles the kernel, and its modules if it has any.
    pub fn compile(&self, config: &Config) -> Result<(), MakeError> {
        let modules = (config.value("MODULES") == "y").then_some("modules");
        let jobs = format!("-j{}", self.jobs);
        let targets = [self.linux.target.as_str()].into_iter().chain(modules);
        let make = self
            .make(&[&jobs])
            .args(targets)
            .arg("--no-print-directory")
            .args(&self.arguments)
            // The result of the command is the only line on stdout.
            .stdout(Stdio::Fd(io::stderr().as_fd().try_clone_to_owned()?));
        self.run(&self.linux.target, make)
    }

    /// The file with the user's edits.
    #[must_use]
    pub fn edits(&self) -> Utf8PathBuf {
        self.own(EDITS)
    }

    /// Adds the options that were changed in `.config` to the user's edits. Returns them.
    fn keep_edits(&self) -> Result<Vec<Change>, MakeError> {
        let read = |path: &Utf8Path| host::files::read_text(path);
        let generated = read(&self.own(GENERATED))?;
        let current = read(&self.output.join(CONFIG))?;
        let Some((generated, current)) = generated.zip(current) else {
            return Ok(Vec::new());
        };
        let changes = Config::parse(&generated).changes(&Config::parse(&current));
        if changes.is_empty() {
            return Ok(changes);
        }
        let mut edits = Fragments::default();
        let file = self.edits();
        edits.add(&read(&file)?.unwrap_or_default(), file.as_str())?;
        let lines: String = changes.iter().map(|change| change.line() + "\n").collect();
        edits.add(&lines, CONFIG)?;
        host::files::write(&file, edits.text().as_bytes())?;
        host::files::write(&self.own(GENERATED), current.as_bytes())?;
        Ok(changes)
    }

    fn own(&self, name: &str) -> Utf8PathBuf {
        self.output.join(OWN).join(name)
    }

    /// `make` with the settings that each call needs. They are those of the recipe `linux`.
    fn make(&self, arguments: &[&str]) -> Command {
        Command::new("make")
            .args(["-C", self.source.as_str()])
            .arg(format!("O={}", self.output))
            .arg(format!("ARCH={}", self.linux.arch))
            .arg(format!("CROSS_COMPILE={}", self.prefix))
            .args(["HOSTCC=cc", "HOSTCXX=c++"])
            .args(["RUSTC=false", "BINDGEN=false", "PAHOLE=false"])
            .args(&self.linux.make)
            .args(arguments)
            .envs(&self.env)
            .env_remove("MAKEFLAGS")
            .without_secrets()
    }

    fn run(&self, target: &str, make: Command) -> Result<(), MakeError> {
        let status = make.run(self.limit)?;
        if status.success() {
            return Ok(());
        }
        Err(MakeError::Make {
            target: target.to_owned(),
            status,
            is_full: host::files::is_full(&self.output)?,
            output: self.output.clone(),
        })
    }
}

/// For a reader who finds the directory.
const README: &str = "Files of `cargo xtask kernel`:\n\
    fragment.config   the requested options: Kiln's, those of tests and of --config, and the edits\n\
    generated.config  the config that was made of them\n\
    edits.config      what was changed in .config since; remove the file to drop the changes\n";

fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
