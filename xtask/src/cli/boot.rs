//! The options of `cargo xtask boot`, and those for files of the host in guests.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{DEBUGGING, GuestArgs, QEMU, SourceArgs};

/// Replaces the help of an option that other commands accept several times.
const ARCH: &str = "Select the architecture; required without --kernel or --image host";

#[derive(Debug, Args)]
#[command(mut_arg("arch", |arg| arg.help(ARCH).long_help(ARCH)))]
pub struct BootArgs {
    /// Pass these arguments to QEMU
    #[arg(last = true, value_name = "QEMU ARGS", allow_hyphen_values = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Boot this kernel or build tree
    ///
    /// A build tree is searched for the file that the architecture boots. The architecture is that of the
    /// kernel, unless --arch names it.
    #[arg(long, value_name = "DIR|FILE", help_heading = QEMU)]
    pub kernel: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub host: HostArgs,
    /// Use this machine of `images/<arch>.toml`
    ///
    /// The default is the `machine` of that file.
    #[arg(long, value_name = "MACHINE", help_heading = QEMU)]
    pub machine: Option<String>,
    /// Wait for a debugger and print its command
    #[arg(long, help_heading = DEBUGGING)]
    pub gdb: bool,
}

/// What guests get of the host.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = QEMU)]
pub struct HostArgs {
    /// Boot the kernel of this host, or Debian
    ///
    /// `docs/kernel.md` describes both kinds of guests.
    #[arg(long, value_enum, value_name = "IMAGE")]
    pub image: Option<ImageChoice>,
    /// Add a program of this host to guests; repeatable
    ///
    /// A name on PATH or a path. Its libraries are added too.
    #[arg(long, value_name = "PROGRAM")]
    pub program: Vec<String>,
    /// Load a module of the kernel in guests; repeatable
    ///
    /// The modules that it depends on are loaded too. Parameters follow its name: "NAME KEY=VALUE".
    #[arg(long, value_name = "MODULE")]
    pub module: Vec<String>,
}

/// The values of `--image`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImageChoice {
    /// Kernel and modules of this host: the newest kernel in `/boot` that has modules, unless --kernel
    /// names another one
    Host,
    /// Debian with systemd, and the kernel of Kiln or of --kernel
    Debian,
}

impl HostArgs {
    /// Whether guests get nothing of this host.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.image.is_none() && self.program.is_empty() && self.module.is_empty()
    }

    /// Whether guests boot the kernel of this host.
    #[must_use]
    pub fn is_host_image(&self) -> bool {
        self.image == Some(ImageChoice::Host)
    }

    /// Whether guests boot Debian.
    #[must_use]
    pub fn is_debian(&self) -> bool {
        self.image == Some(ImageChoice::Debian)
    }

    /// The flags that parse to this.
    pub(super) fn flags(&self) -> impl Iterator<Item = String> {
        let image = self.image.and_then(|image| image.to_possible_value());
        let image = image.map(|image| format!("--image={}", image.get_name()));
        let programs = self.program.iter().map(|name| format!("--program={name}"));
        let modules = self.module.iter().map(|name| format!("--module={name}"));
        image.into_iter().chain(programs).chain(modules)
    }
}
