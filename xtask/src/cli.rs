//! The command line: what can be asked for, and what each word means. No behaviour.

pub(crate) mod debug;
pub(crate) mod publish;
pub(crate) mod recipe;
pub(crate) mod repeat;
mod replay;
pub(crate) mod report;
pub(crate) mod repro;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use host::http::SecretUrl;

use debug::DebugArgs;
use publish::{LegalArgs, MirrorCheckArgs, PublishArgs, UnpublishArgs, VerifyReleaseArgs};
use recipe::RecipeArgs;
use repeat::RepeatArgs;
use report::{ReportArgs, ReportFlags};
use repro::{RebuildArgs, ReproArgs};

/// Bakes reproducible Linux guests from source and runs tests in them under QEMU.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every subcommand understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Open no socket [env: `CARGO_NET_OFFLINE`]; list what is missing and the command that fetches it
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Fail if `images/images.lock` or a frozen config would change
    #[arg(long, global = true)]
    pub(crate) locked: bool,
    /// Job slots: make processes when building, guests when testing, downloads when fetching
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// How results are printed
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) message_format: MessageFormat,
    /// Whether to colour what is printed
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more: commands, build output
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum MessageFormat {
    /// For people
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

/// Whether to colour what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find or build the images and print where they are
    Images(ImagesArgs),
    /// Get the images, or what builds them, so that later commands work with --offline
    Fetch(FetchArgs),
    /// Run guest tests under QEMU
    Test(Box<TestArgs>),
    /// Write a run that has ended in another format, or join the parts of one
    Report(ReportArgs),
    /// Boot an image and give a shell on its console
    Boot(BootArgs),
    /// Find or build a cross toolchain and print its path, or run a command with it
    Toolchain(ToolchainArgs),
    /// Update a recipe to another version
    Recipe(RecipeArgs),
    /// Look after the store: what is in it, whether it is sound, what can go
    Store(StoreArgs),
    /// Say what the host lacks, with the commands that install it
    Setup(SetupArgs),
    /// Run everything that continuous integration runs
    Ci(CiArgs),
    /// Say what is in an image, under which licence, and where its source is
    Legal(LegalArgs),
    /// Publish images with their complete corresponding source
    Publish(PublishArgs),
    /// Take a release away, binaries first
    Unpublish(UnpublishArgs),
    /// Check all of a published tree, as a stranger would
    MirrorCheck(MirrorCheckArgs),
    /// Build a published release again from its source bundle alone, and compare
    VerifyRelease(VerifyReleaseArgs),
    /// Build twice, the second time with everything varied that no output may show, and compare
    Repro(ReproArgs),
    /// Measure Kiln against the ordinary way
    Bench(BenchArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// The words of a test's host script; run by guest-tests/lib/host.sh
    #[command(hide = true, name = "host-helper")]
    HostHelper(HostHelperArgs),
    /// The second build of `repro`
    #[command(hide = true)]
    Rebuild(RebuildArgs),
}

/// Which architectures, and where their images come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// Architecture; may be given more than once [default: all whose images are in the repository]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Take no image from the repository or a mirror: build what the store lacks
    #[arg(long, conflicts_with = "no_prebuilt")]
    pub(crate) from_source: bool,
    /// Do not use the images in `images/prebuilt/`
    #[arg(long)]
    pub(crate) no_prebuilt: bool,
    /// Base URL of a Kiln mirror; may be given more than once [env: `KILN_MIRROR`]
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<SecretUrl>,
    /// Base URL of a Debian mirror for sources [env: `KILN_DEBIAN_MIRROR`] [default: the host's own]
    #[arg(long, value_name = "URL")]
    pub(crate) debian_mirror: Option<SecretUrl>,
    /// Base URL of Debian's snapshot archive [env: `KILN_DEBIAN_SNAPSHOT`]
    #[arg(long, value_name = "URL")]
    pub(crate) debian_snapshot: Option<SecretUrl>,
    /// Build without the sandbox; the bytes stay the same
    #[arg(long)]
    pub(crate) no_sandbox: bool,
}

impl SourceArgs {
    /// Some architectures, and the rest as it is by default.
    pub(crate) fn of(arches: &[String]) -> Self {
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub(crate) struct ImagesArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Print what would be fetched and built, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Build in an empty temporary store and compare with `images/images.lock`
    #[arg(long, requires = "from_source", conflicts_with_all = ["plan", "refreeze", "update_prebuilt"])]
    pub(crate) verify: bool,
    /// Accept the configs that the fragments give now, and the code that compilers emit, as the frozen ones
    #[arg(long, conflicts_with_all = ["plan", "locked"])]
    pub(crate) refreeze: bool,
    /// Write the built images to `images/prebuilt/`, and their `SOURCES`
    #[arg(long, conflicts_with_all = ["plan", "refreeze", "locked"])]
    pub(crate) update_prebuilt: bool,
    /// Keep the work directory of a step that failed
    #[arg(long)]
    pub(crate) keep_failed: bool,
    /// Write when each step ran to `target/kiln/timings.html`
    #[arg(long, conflicts_with_all = ["plan", "refreeze"])]
    pub(crate) timings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// Also every source, as `images --from-source` needs them
    #[arg(long)]
    pub(crate) sources: bool,
    /// Ask every location of every source whether it has the file, and download nothing
    #[arg(long, conflicts_with = "sources")]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Print where the store is, or the image of an architecture in it
    Path {
        /// Architecture
        #[arg(value_name = "ARCH")]
        arch: Option<String>,
    },
    /// List what is in the store, with size, time since its last use, and who needs it
    List,
    /// Sum up what is in the store
    Du,
    /// Hash everything; what is corrupt goes to quarantine
    Verify {
        /// Then get the images and sources of this checkout again that are missing
        #[arg(long)]
        repair: bool,
    },
    /// Say what no checkout needs, and remove it with --yes
    Gc {
        /// Only what was not used for so many days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        older_than: u32,
        /// Also what was used later, least recently used first, until the store is this small
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Write sources and images to an archive, for a machine without a network
    Export {
        /// The archive
        #[arg(value_name = "FILE.tar")]
        file: Utf8PathBuf,
        /// Images alone: enough to run tests
        #[arg(long)]
        no_sources: bool,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Take in an archive that `export` wrote
    Import {
        /// The archive
        #[arg(value_name = "FILE.tar")]
        file: Utf8PathBuf,
    },
    /// Lay out the images as QEMU's functional tests look for their assets
    ExportQemu {
        /// What `QEMU_TEST_CACHE_DIR` will be
        #[arg(value_name = "DIR")]
        dir: Utf8PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
}

/// How a guest is started.
#[derive(Debug, Clone, Args)]
pub(crate) struct GuestArgs {
    /// QEMU build directory, or one binary [default: from PATH]
    #[arg(long, value_name = "DIR-or-BINARY")]
    pub(crate) qemu: Option<Utf8PathBuf>,
    /// Accelerator
    #[arg(long, value_enum, default_value_t, value_name = "ACCEL")]
    pub(crate) accel: AccelChoice,
}

/// Accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AccelChoice {
    /// KVM where this host has run the image with it, TCG otherwise
    #[default]
    Auto,
    /// QEMU's own translator
    Tcg,
    /// The host's processor
    Kvm,
}

#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub(crate) struct TestArgs {
    /// Tests by name, by path, or by a part of their names
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    #[command(flatten)]
    pub(crate) debug: DebugArgs,
    #[command(flatten)]
    pub(crate) reports: ReportFlags,
    /// A filter is the whole name
    #[arg(long)]
    pub(crate) exact: bool,
    /// Seed of every choice a test makes [default: random, printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Multiplies every time limit
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = positive)]
    pub(crate) timeout_factor: f64,
    /// Run the tests of one of these groups
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
    /// Make a choice whatever the seed says; may be given more than once
    #[arg(long, value_name = "NAME=WORD")]
    pub(crate) choose: Vec<String>,
    /// Run the tests that an expression selects, such as `group(hotplug) and not arch(ppc64)`
    #[arg(short = 'E', long = "filter-expr", value_name = "EXPR")]
    pub(crate) expression: Vec<String>,
    /// Run a part of the selected tests, such as `slice:1/3`, or `hash:1/3`, which stays the same when
    /// tests come and go
    #[arg(long, value_name = "slice:M/N|hash:M/N")]
    pub(crate) partition: Option<String>,
    /// List the tests and do not run them
    #[arg(long)]
    pub(crate) list: bool,
    /// With --list: say which tests would be skipped, and why, as far as QEMU can be asked
    #[arg(long, requires = "list")]
    pub(crate) skips: bool,
    /// Where runs are kept, the last 20 of them [default: target/kiln/runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<Utf8PathBuf>,
    /// Pass what the tests print straight on; one test at a time
    #[arg(long)]
    pub(crate) no_capture: bool,
    /// Install what is missing first
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BootArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    /// Machine of `images/<arch>.toml` [default: the architecture's]
    #[arg(long)]
    pub(crate) machine: Option<String>,
    /// Wait for a debugger, and print the line that starts it
    #[arg(long)]
    pub(crate) gdb: bool,
    /// Arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGS", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ToolchainArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// A command to run with the toolchain on PATH
    #[arg(last = true, value_name = "CMD", allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Architecture; may be given more than once [default: all whose images are in the repository]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Install what is missing
    #[arg(long)]
    pub(crate) yes: bool,
    /// What the host shall be able to do
    #[arg(long = "for", value_enum, default_value_t, value_name = "PURPOSE")]
    pub(crate) purpose: Purpose,
}

/// What the host shall be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Purpose {
    /// Run guest tests
    #[default]
    Test,
    /// Build images from source
    Build,
    /// Run continuous integration
    Ci,
}

#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Install what is missing first
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: Bench,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time to the verdict of a trivial test, next to the same kernel booted the ordinary way
    Boot(BenchBootArgs),
    /// Tests a minute at -j 1 and -j 2, and what the runner adds to QEMU's own time
    Run(BenchBootArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BenchBootArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    /// Runs of each side; the median is printed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub(crate) runs: u16,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct HostHelperArgs {
    /// The word and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) words: Vec<String>,
}

/// Whether a command line, right or wrong, is one of `git bisect run`.
pub(crate) fn bisects(arguments: &[String]) -> bool {
    let mut flags = arguments.iter().take_while(|argument| *argument != "--");
    flags.any(|argument| argument == "--bisect")
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("a number above 0 is needed".to_owned()),
    }
}

/// A size in bytes, with K, M or G.
fn size(text: &str) -> Result<u64, String> {
    plan::size::parse(text).ok_or_else(|| format!("`{text}` is not a size such as `20G`"))
}
