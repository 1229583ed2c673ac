//! The command line: commands, options and their help texts. No behaviour.
//!
//! The first paragraph of a doc comment is the short help: imperative, under ten words, no full stop.
//! The rest is shown by `--help` only. Options are grouped under the headings below.

#![expect(
    missing_docs,
    reason = "the doc comments are the help texts; a group of options has none of its own"
)]

pub mod attach;
pub mod bench;
pub mod boot;
pub mod debug;
mod examples;
#[cfg(test)]
mod help;
pub mod images;
pub mod kernel;
pub mod mutants;
pub mod publish;
pub mod qtest;
pub mod recipe;
pub mod repeat;
mod replay;
pub mod report;
pub mod repro;
pub mod setup;
pub mod start;
pub mod store;
pub mod target;

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use host::secret::SecretUrl;
use verdict::kind::TestKind;

use attach::{GdbArgs, MonitorArgs, ShellArgs};
use bench::BenchArgs;
use boot::{BootArgs, HostArgs};
use debug::DebugArgs;
use images::ImagesArgs;
use kernel::KernelArgs;
use mutants::MutantsArgs;
use publish::{LegalArgs, MirrorCheckArgs, PublishArgs, UnpublishArgs, VerifyReleaseArgs};
use qtest::{DeviceTestArgs, QtestArgs};
use recipe::RecipeArgs;
use repeat::RepeatArgs;
use report::{ReportArgs, ReportFlags};
use repro::{RebuildArgs, ReproArgs};
use setup::SetupArgs;
use start::StartArgs;
use store::StoreArgs;
use target::TargetArgs;

/// Which tests or architectures.
pub const SELECTION: &str = "Selection";
/// What is done, and how often.
pub const EXECUTION: &str = "Execution";
/// How QEMU is started.
pub const QEMU: &str = "QEMU";
/// How a failure is examined.
pub const DEBUGGING: &str = "Debugging";
/// What is written in addition to the output.
pub const REPORTS: &str = "Reports";
/// Where images come from and how they are built.
pub const IMAGES: &str = "Images";
/// What every command has; always last.
pub const GLOBAL: &str = "Global options";

/// Build reproducible Linux images and test QEMU with them
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_long_help = examples::OVERVIEW
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Print help; `--help` prints more than `-h`
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = GLOBAL)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = GLOBAL)]
    version: Option<bool>,
    #[command(subcommand)]
    pub command: Command,
}

/// What every subcommand understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GLOBAL)]
pub struct Global {
    /// Use no network [env: `CARGO_NET_OFFLINE`]
    ///
    /// A command that needs a file that is not on this machine fails, and prints the command that
    /// downloads it.
    #[arg(long, global = true)]
    pub offline: bool,
    /// Fail if `images.lock` or a frozen config would change
    ///
    /// A frozen config is the complete kernel or busybox config that is committed in `images/`.
    #[arg(long, global = true)]
    pub locked: bool,
    /// Set the number of parallel jobs
    ///
    /// A job is a compiler process in a build, a guest in a test run, or a connection in a download.
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Select a profile of `kiln.toml`
    ///
    /// `docs/configuration.md` describes the file; `cargo xtask config` prints the values that apply.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Set the format of results on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub message_format: MessageFormat,
    /// Choose when to colour output
    ///
    /// The default is `auto`, or what `CARGO_TERM_COLOR` and `NO_COLOR` say.
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub color: Option<ColorChoice>,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print commands and build output as well
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MessageFormat {
    /// Text
    #[default]
    Human,
    /// One JSON object per line
    Json,
}

/// Whether to colour what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Only on a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run tests in Linux guests under QEMU
    ///
    /// FILTER selects the test with this exact name, or the tests of a path below `guest-tests/`, or else all
    /// tests whose name contains it. -E selects by an expression. Without a filter, every test runs on each
    /// default architecture.
    /// `guest-tests/README.md` describes how to write, select, repeat and debug tests.
    #[command(after_long_help = examples::TEST)]
    Test(Box<TestArgs>),
    /// Convert a finished run, or merge several runs
    ///
    /// With --merge, the exit code is that of the merged run.
    #[command(after_long_help = examples::REPORT)]
    Report(ReportArgs),
    /// Replay, shorten and generate qtest commands for QEMU
    ///
    /// `docs/device-tests.md` describes the format of the files.
    #[command(after_long_help = examples::QTEST)]
    Qtest(QtestArgs),
    /// Boot an image and open a shell in it
    ///
    /// Leaving the shell powers the guest off. Ctrl-A X ends QEMU. Input from a file or a pipe is typed at the
    /// first prompt; its end does not end the guest.
    #[command(after_long_help = examples::BOOT)]
    Boot(BootArgs),
    /// Open a shell in a running guest
    ///
    /// The guest of a test offers a shell if the test runs with --shell, --shell-on-fail, --gdb or
    /// --monitor. Ctrl-] closes the shell; the guest continues.
    #[command(after_long_help = examples::ATTACH)]
    Shell(ShellArgs),
    /// Talk to the monitor of a running guest
    ///
    /// Executes each line of its input. Works with the guests of `test` and of `boot`, also if QEMU has no
    /// monitor of its own for the user.
    #[command(after_long_help = examples::ATTACH)]
    Monitor(MonitorArgs),
    /// Attach gdb to a running guest
    ///
    /// Starts QEMU's gdbstub, and gdb with the kernel's symbols if they are available. The guest stops
    /// until gdb continues it or exits.
    #[command(after_long_help = examples::ATTACH)]
    Gdb(GdbArgs),
    /// List missing host tools and how to install them
    Setup(SetupArgs),
    /// Find or build the images and print their paths
    ///
    /// An image is taken from the store, from `images/prebuilt/`, from a Kiln mirror, or is built from
    /// source, in this order. Every file is compared with its digest in `images/images.lock`.
    #[command(after_long_help = examples::IMAGES)]
    Images(ImagesArgs),
    /// Download what later commands need, for use with --offline
    ///
    /// A failed download does not stop the others. Failures are listed per URL at the end.
    Fetch(FetchArgs),
    /// Find or build a cross toolchain
    ///
    /// Prints the path of the toolchain, or runs a command with the toolchain on PATH.
    Toolchain(ToolchainArgs),
    /// Build and configure a kernel from a source tree
    ///
    /// `docs/kernel.md` describes how to build, boot and test your own kernel.
    #[command(after_long_help = examples::KERNEL)]
    Kernel(KernelArgs),
    /// Update a recipe
    Recipe(RecipeArgs),
    /// Write the files of a new target
    Target(TargetArgs),
    /// Build twice in different environments and compare the results
    ///
    /// The second build differs in path, user, host name, locale, time zone, umask, number of jobs, clock
    /// and the order of files. A difference is reported with its section and symbol, its archive entry or
    /// its config line, and with the host tool that caused it.
    #[command(after_long_help = examples::REPRO)]
    Repro(ReproArgs),
    /// Manage the store of sources, build results and images
    ///
    /// The store is in `~/.cache/kiln`. `KILN_STORE` selects another directory.
    #[command(after_long_help = examples::STORE)]
    Store(StoreArgs),
    /// Print the contents of images with licences and sources
    Legal(LegalArgs),
    /// Publish images with their complete corresponding source
    ///
    /// Refuses an image whose digest is not in `images/images.lock`, that does not boot, or whose source
    /// or licence text is missing. Published files are never overwritten; only the index is replaced.
    #[command(after_long_help = examples::PUBLISH)]
    Publish(PublishArgs),
    /// Check signatures, digests and completeness of published releases
    MirrorCheck(MirrorCheckArgs),
    /// Rebuild a release from its source archive and compare
    ///
    /// Downloads the release, unpacks its source archive, builds the images from it alone and compares
    /// their digests. After the download it uses no network.
    VerifyRelease(VerifyReleaseArgs),
    /// Remove a release, binaries first
    Unpublish(UnpublishArgs),
    /// Measure how fast guests boot and tests run
    Bench(BenchArgs),
    /// Measure which faults inserted into QEMU the tests catch
    ///
    /// Compiles a copy of a QEMU source tree with all mutants of `tests/mutants/`, and runs for each of them
    /// the tests that declare its device. `docs/mutants.md` describes how to read the result and how to add a
    /// mutant.
    #[command(after_long_help = examples::MUTANTS)]
    Mutants(MutantsArgs),
    /// Print the settings of `kiln.toml` and their origin
    ///
    /// Each value is printed with the flag, the environment variable or the line that sets it.
    Config,
    /// Run the checks and tests of a pull request
    Ci(CiArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Run a helper command of a host script
    #[command(hide = true, name = "host-helper")]
    HostHelper(HostHelperArgs),
    /// Run the second build of `repro`
    #[command(hide = true)]
    Rebuild(RebuildArgs),
    /// Fetch or build images that guests are started from
    #[command(hide = true)]
    Provide(ProvideArgs),
}

/// What another command starts guests from.
#[derive(Debug, Clone, Args)]
pub struct ProvideArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// The recipe that makes it
    #[arg(long)]
    pub recipe: String,
}

/// Which architectures, and where their images come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = IMAGES)]
pub struct SourceArgs {
    /// Select an architecture, or `all`; repeatable
    ///
    /// The default is `arch` of `kiln.toml`, or else the main targets: `default` in `images/<arch>.toml`.
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Build from source what the store lacks
    ///
    /// Takes no image from `images/prebuilt/` or a mirror.
    #[arg(long, conflicts_with = "no_prebuilt")]
    pub from_source: bool,
    /// Do not use the images in `images/prebuilt/`
    #[arg(long)]
    pub no_prebuilt: bool,
    /// Download from this Kiln mirror; repeatable [env: `KILN_MIRROR`]
    ///
    /// A mirror need not be trusted: every file is compared with its digest in `images/images.lock`.
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<SecretUrl>,
    /// Download sources from this Debian mirror [env: `KILN_DEBIAN_MIRROR`]
    ///
    /// The default is the mirror that the host uses.
    #[arg(long, value_name = "URL")]
    pub debian_mirror: Option<SecretUrl>,
    /// Download sources from this snapshot archive [env: `KILN_DEBIAN_SNAPSHOT`]
    #[arg(long, value_name = "URL")]
    pub debian_snapshot: Option<SecretUrl>,
    /// Build without the sandbox
    ///
    /// For hosts without user namespaces. The images have the same digests.
    #[arg(long)]
    pub no_sandbox: bool,
}

impl SourceArgs {
    /// These architectures, with the defaults for the rest.
    #[must_use]
    pub fn of(arches: &[String]) -> Self {
        Self {
            arch: arches.to_vec(),
            from_source: false,
            no_prebuilt: false,
            mirror: Vec::new(),
            debian_mirror: None,
            debian_snapshot: None,
            no_sandbox: false,
        }
    }
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// Also download every source for `images --from-source`
    #[arg(long, help_heading = SELECTION)]
    pub sources: bool,
    /// Check that every location has its files, without download
    #[arg(long, conflicts_with = "sources", help_heading = EXECUTION)]
    pub check: bool,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// How a guest is started.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = QEMU)]
pub struct GuestArgs {
    /// Use this QEMU build directory or binary [env: `KILN_QEMU`]
    ///
    /// The default is `qemu-system-*` from PATH.
    #[arg(long, value_name = "DIR|BINARY")]
    pub qemu: Option<Utf8PathBuf>,
    /// Set the accelerator
    #[arg(long, value_enum, default_value_t, value_name = "ACCEL")]
    pub accel: AccelChoice,
}

/// Accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AccelChoice {
    /// KVM if the image boots with it on this host, else TCG
    #[default]
    Auto,
    /// QEMU's code generator, on every host
    Tcg,
    /// The host's processor, for guests of its architecture
    Kvm,
}

/// A kind of test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// Scripts that boot guests
    Guest,
    /// Scripts on the host that start no guest
    Host,
    /// Tests of device models, without a guest
    Device,
    /// Guests without an operating system
    Bare,
    /// Tests of a tree of kvm-unit-tests
    Suite,
    /// Scripts of ktest
    Ktest,
}

impl KindArg {
    /// The kind that it names.
    #[must_use]
    pub fn kind(self) -> TestKind {
        match self {
            Self::Guest => TestKind::Guest,
            Self::Host => TestKind::Host,
            Self::Device => TestKind::Device,
            Self::Bare => TestKind::Bare,
            Self::Suite => TestKind::Suite,
            Self::Ktest => TestKind::Ktest,
        }
    }
}

#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub struct TestArgs {
    /// Select tests by part of the name, or path
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Match filters against the whole name
    #[arg(long, help_heading = SELECTION)]
    pub exact: bool,
    /// Run a built kvm-unit-tests tree; repeatable
    ///
    /// Its tests are those of its `unittests.cfg`, with the verdicts of its `run_tests.sh`. Other tests run
    /// only if --kind selects them as well. `docs/foreign-suites.md` describes it.
    #[arg(long, value_name = "DIR", help_heading = SELECTION)]
    pub suite: Vec<Utf8PathBuf>,
    /// Run a ktest script; repeatable
    ///
    /// Each of its `test_*` functions is a test. Other tests run only if --kind selects them as well. The guest
    /// gets bash and the programs that the script calls from this host. `docs/foreign-suites.md` describes it.
    #[arg(long, value_name = "FILE", help_heading = SELECTION)]
    pub ktest: Vec<Utf8PathBuf>,
    /// Select the tests of a group; repeatable
    #[arg(long, value_name = "GROUP", help_heading = SELECTION)]
    pub group: Vec<String>,
    /// Select the tests of a kind; repeatable
    #[arg(long, value_enum, value_name = "KIND", help_heading = SELECTION)]
    pub kind: Vec<KindArg>,
    /// Select tests by an expression; repeatable
    ///
    /// For example `group(hotplug) and not arch(ppc64)`. Predicates are `test`, `group`, `arch`, `machine`,
    /// `device` and `kind`; operators are `and`, `or`, `not` and parentheses.
    #[arg(short = 'E', long = "filter-expr", value_name = "EXPR", help_heading = SELECTION)]
    pub expression: Vec<String>,
    /// Run one part of the selected tests
    ///
    /// `slice:1/3` is the first of three parts of equal size. `hash:1/3` assigns each test by its name, so
    /// that a test stays in its part when others are added or removed.
    #[arg(long, value_name = "slice:M/N|hash:M/N", help_heading = SELECTION)]
    pub partition: Option<String>,
    /// List the tests without running them
    #[arg(long, help_heading = SELECTION)]
    pub list: bool,
    /// With --list, print why tests would be skipped
    ///
    /// Requirements that only a running guest can check are not included.
    #[arg(long, requires = "list", help_heading = SELECTION)]
    pub skips: bool,
    #[command(flatten)]
    pub start: StartArgs,
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Set the seed of random choices
    ///
    /// The default is a random seed, which is printed. A test makes the same choices with the same seed.
    #[arg(long, value_name = "N", help_heading = EXECUTION)]
    pub seed: Option<u64>,
    /// Force the value of a choice; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = EXECUTION)]
    pub choose: Vec<String>,
    #[command(flatten)]
    pub device: DeviceTestArgs,
    /// Multiply every time limit by this factor [default: 1]
    #[arg(long, value_name = "FACTOR", value_parser = positive, help_heading = EXECUTION)]
    pub timeout_factor: Option<f64>,
    /// Install missing host tools first
    #[arg(long, help_heading = EXECUTION)]
    pub setup: bool,
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Boot this kernel or build tree; repeatable
    ///
    /// A build tree is searched for the file that the architecture boots. The architecture is that of the
    /// kernel, unless --arch names it. With several kernels, each test runs with all of them, and the
    /// later ones are compared with the first as --compare-qemu compares two QEMUs.
    #[arg(long, value_name = "DIR|FILE", help_heading = QEMU)]
    pub kernel: Vec<Utf8PathBuf>,
    #[command(flatten)]
    pub host: HostArgs,
    /// Print the output of tests directly
    ///
    /// Runs one test at a time.
    #[arg(long, help_heading = DEBUGGING)]
    pub no_capture: bool,
    #[command(flatten)]
    pub debug: DebugArgs,
    #[command(flatten)]
    pub reports: ReportFlags,
    /// Keep the logs of runs in this directory
    ///
    /// The default is `target/kiln/runs`. The last 20 runs are kept.
    #[arg(long, value_name = "DIR", help_heading = REPORTS)]
    pub runs: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct ToolchainArgs {
    /// Run this command with the toolchain on PATH
    #[arg(last = true, value_name = "COMMAND", allow_hyphen_values = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct CiArgs {
    /// Install missing host tools first
    #[arg(long, help_heading = EXECUTION)]
    pub setup: bool,
    /// Check commit subjects since this revision [default: last tag]
    #[arg(long, value_name = "REVISION", help_heading = EXECUTION)]
    pub base: Option<String>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Select the shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct HostHelperArgs {
    /// The helper command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub words: Vec<String>,
}

/// Whether a command line, right or wrong, is one of `git bisect run`.
#[must_use]
pub fn bisects(arguments: &[String]) -> bool {
    let mut flags = arguments.iter().take_while(|argument| *argument != "--");
    flags.any(|argument| argument == "--bisect")
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".to_owned()),
    }
}
