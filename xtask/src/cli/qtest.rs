//! The options of `cargo xtask qtest`.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use qtest::replay::Expect;

use super::repeat::time;
use super::{EXECUTION, QEMU, SELECTION};

#[derive(Debug, Args)]
pub struct QtestArgs {
    #[command(subcommand)]
    pub command: QtestCommand,
}

/// The options of `cargo xtask test` for device tests.
#[derive(Debug, Clone, Args)]
pub struct DeviceTestArgs {
    /// Set an option of device tests; repeatable
    ///
    /// `trace=FILE`: the tests of `block-trace` execute the requests of a trace that QEMU wrote for a virtio, IDE
    /// or `NVMe` disk.
    #[arg(long = "opt", value_name = "NAME=VALUE", help_heading = EXECUTION)]
    pub options: Vec<String>,
}

/// What is done with a stream of commands.
#[derive(Debug, Subcommand)]
pub enum QtestCommand {
    /// Replay a stream of qtest commands
    ///
    /// FILE is the `qtest.log` of a device test, or a reproducer as people attach it to a bug report: a
    /// here-document with the command line of QEMU. The exit code is 100 if the replay ends otherwise than
    /// expected.
    Replay(ReplayArgs),
    /// Shorten a stream that crashes QEMU
    ///
    /// Leaves out commands and data as long as the same assertion fails, the same sanitizer report appears, or
    /// the same signal ends QEMU.
    Minimize(MinimizeArgs),
    /// Print a stream as a shell script
    ///
    /// The script needs only QEMU, and has the form in which reproducers are attached to bug reports.
    Export(ExportArgs),
    /// Generate traffic for a PCI device
    ///
    /// Every crash and every hang becomes a shortened stream that `qtest replay` reads. The same seed makes the
    /// same traffic. The exit code is 100 if there was one.
    Fuzz(FuzzArgs),
}

/// A stream and the QEMU that it is for.
#[derive(Debug, Clone, Args)]
pub struct StreamArgs {
    /// The file with the commands
    #[arg(value_name = "FILE")]
    pub file: Utf8PathBuf,
    /// Use this QEMU build directory or binary [env: `KILN_QEMU`]
    ///
    /// The default is the binary from PATH that the file names.
    #[arg(long, value_name = "DIR|BINARY", help_heading = QEMU)]
    pub qemu: Option<Utf8PathBuf>,
    /// Wait this long for each reply
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s", help_heading = EXECUTION)]
    pub wait: Duration,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Set the expected ending
    #[arg(long, value_enum, default_value_t, value_name = "ENDING", help_heading = EXECUTION)]
    pub expect: ExpectArg,
    /// Write the commands with their replies to a file
    #[arg(long, value_name = "FILE", help_heading = EXECUTION)]
    pub record: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The file with the commands
    #[arg(value_name = "FILE")]
    pub file: Utf8PathBuf,
    /// Print the commands only, as `-qtest stdio` reads them
    #[arg(long, help_heading = EXECUTION)]
    pub commands: bool,
}

#[derive(Debug, Args)]
pub struct MinimizeArgs {
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Write the shortened stream to this file
    ///
    /// The default is the name of the stream followed by `.min`.
    #[arg(long, value_name = "FILE", help_heading = EXECUTION)]
    pub output: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Select the device model
    #[arg(long, value_name = "DEVICE", help_heading = SELECTION)]
    pub device: String,
    /// Select a machine of `tests/device/machines.toml`
    ///
    /// The default is the first machine with PCI.
    #[arg(long, value_name = "MACHINE", help_heading = SELECTION)]
    pub machine: Option<String>,
    /// Select an architecture
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Option<String>,
    /// Set the seed of the traffic
    ///
    /// The default is a random seed, which is printed.
    #[arg(long, value_name = "N", help_heading = EXECUTION)]
    pub seed: Option<u64>,
    /// Stop after this time
    #[arg(long = "for", alias = "time", value_name = "TIME", value_parser = time, default_value = "1m", help_heading = EXECUTION)]
    pub time: Duration,
    /// Send this many commands before QEMU restarts
    #[arg(long, value_name = "N", default_value_t = 2000, help_heading = EXECUTION)]
    pub length: usize,
    /// Write streams to this directory
    #[arg(long, value_name = "DIR", default_value = "target/kiln/fuzz", help_heading = EXECUTION)]
    pub output: Utf8PathBuf,
    /// Use this QEMU build directory or binary [env: `KILN_QEMU`]
    #[arg(long, value_name = "DIR|BINARY", help_heading = QEMU)]
    pub qemu: Option<Utf8PathBuf>,
    /// Pass these options to QEMU, such as backends
    #[arg(last = true, value_name = "QEMU ARGS", allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// How a replay is expected to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExpectArg {
    /// QEMU executes every command
    #[default]
    Survives,
    /// An assertion fails
    Assert,
    /// A sanitizer reports an error
    Sanitizer,
    /// A signal ends QEMU, without a report
    Signal,
    /// QEMU does not reply
    Hang,
    /// Every reply is the recorded one
    Same,
}

impl ExpectArg {
    /// The ending that it names.
    #[must_use]
    pub fn expect(self) -> Expect {
        match self {
            Self::Survives => Expect::Survives,
            Self::Assert => Expect::Assert,
            Self::Sanitizer => Expect::Sanitizer,
            Self::Signal => Expect::Signal,
            Self::Hang => Expect::Hang,
            Self::Same => Expect::Same,
        }
    }
}
