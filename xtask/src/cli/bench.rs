//! The options of `cargo xtask bench`.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{EXECUTION, GuestArgs, REPORTS, SourceArgs};

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub what: Bench,
    /// Also measure another checkout of Kiln
    ///
    /// Compiles both checkouts, runs the benchmark in each in turn, and prints the medians of each figure with
    /// their ratio.
    #[arg(long, global = true, value_name = "DIR", help_heading = EXECUTION)]
    pub against: Option<Utf8PathBuf>,
    /// Write a page with plots to this file
    ///
    /// Each sample is a point. Samples are taken one at a time, as with --against.
    #[arg(long, global = true, value_name = "FILE", help_heading = REPORTS)]
    pub html: Option<Utf8PathBuf>,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Measure the time to the verdict of a test
    ///
    /// For comparison, the same kernel is booted with QEMU's default devices and firmware.
    Boot(BenchBootArgs),
    /// Measure tests per minute and the runner's overhead
    ///
    /// Runs the tests with `-j 1` and `-j 2`. The overhead is the time that is not spent in QEMU.
    Run(BenchBootArgs),
    /// Compare restored guests with guests that boot
    ///
    /// Runs a test without devices and one with a disk and a network card, in turn cold and warm, and
    /// compares the CPU time of QEMU and the time to the verdict. Then runs the first one with `-j 2`, all
    /// rounds cold and all rounds warm, and compares tests per second.
    Warm(BenchBootArgs),
    /// Measure the CPU time of tests
    ///
    /// Runs `cargo xtask test` and prints the median of the CPU time of Kiln and QEMU. Kiln is compiled first.
    Suite(BenchSuiteArgs),
    /// Compare tests on a busy and an idle host
    ///
    /// Runs the tests twice, the second time next to busy loops, and reports tests whose outcome differs. Exit
    /// code 100 if a test passes only on the idle host.
    Load(BenchLoadArgs),
    /// Measure qtest commands per second and QEMU's start
    ///
    /// Reads memory with single commands and writes it in blocks, on the first machine of each architecture.
    Qtest(BenchBootArgs),
    /// Measure what the first run after a clone compiles
    ///
    /// Compiles `xtask` into an empty directory, without a network, and prints the number of crates and the
    /// CPU time. Sources of crates must have been downloaded (`cargo fetch`).
    Build(BenchBuildArgs),
    /// Measure builds of images from source
    ///
    /// Builds the images in an empty store and compares them with `images.lock`. Then changes the kernel
    /// config of each architecture in a clone of the last commit, and measures the time until `boot::true`
    /// passes with the new kernel; compilers are taken from the store. Sources must have been downloaded
    /// (`cargo xtask fetch --sources`).
    Source(BenchSourceArgs),
}

#[derive(Debug, Args)]
pub struct BenchLoadArgs {
    /// Select tests by part of the name
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Number of busy loops per processor
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100), value_name = "N",
          help_heading = EXECUTION)]
    pub loops: u16,
    #[command(flatten)]
    pub guest: GuestArgs,
}

#[derive(Debug, Args)]
pub struct BenchSuiteArgs {
    /// Select tests by part of the name
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Select an architecture; repeatable
    #[arg(long, value_name = "ARCH", help_heading = EXECUTION)]
    pub arch: Vec<String>,
    /// Repeat each measurement and print the median
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), value_name = "N",
          help_heading = EXECUTION)]
    pub runs: u16,
}

#[derive(Debug, Args)]
pub struct BenchBuildArgs {
    /// Repeat each measurement and print the median
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), value_name = "N",
          help_heading = EXECUTION)]
    pub runs: u16,
}

#[derive(Debug, Args)]
pub struct BenchSourceArgs {
    /// Select an architecture; repeatable
    ///
    /// The default is the main targets together.
    #[arg(long, value_name = "ARCH", help_heading = EXECUTION)]
    pub arch: Vec<String>,
    /// Leave out the build in an empty store
    #[arg(long, help_heading = EXECUTION)]
    pub kernel_only: bool,
}

#[derive(Debug, Args)]
pub struct BenchBootArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Repeat each measurement and print the median
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..), value_name = "N",
          help_heading = EXECUTION)]
    pub runs: u16,
    #[command(flatten)]
    pub guest: GuestArgs,
}
