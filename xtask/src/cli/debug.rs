//! The options of `cargo xtask test` that examine QEMU or a failed test.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{DEBUGGING, EXECUTION, REPORTS};

/// What to look at.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = DEBUGGING)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub struct DebugArgs {
    /// Report which devices of QEMU the tests use
    ///
    /// Lists the PCI, USB and virtio devices that the passed tests used, and those without a test. With
    /// --list, the report is made from the headers of the tests without a run.
    #[arg(long, help_heading = REPORTS)]
    pub device_coverage: bool,
    /// Exit as `git bisect run` expects
    ///
    /// 0 is good, 1 is bad, 125 cannot be tested. 128 and above stop the bisection: the command line is
    /// wrong, or Kiln failed. Needs --qemu or --kernel.
    #[arg(long, help_heading = EXECUTION, conflicts_with = "list")]
    pub bisect: bool,
    /// Run each test with two QEMUs and report differences
    ///
    /// Compares outcomes, subtests, choices and golden output, and with --repeat 5 or more also times. The
    /// exit code is 100 if a test passed with OLD and does not pass with NEW, or was skipped with OLD and
    /// fails with NEW.
    #[arg(long, help_heading = EXECUTION, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["qemu", "rerun",
          "bless", "junit", "no_capture", "device_coverage", "bisect", "gdb", "monitor", "trace",
          "strace_qemu", "shell", "standalone"])]
    pub compare_qemu: Option<Vec<Utf8PathBuf>>,
    /// Wait for a debugger and print its command
    ///
    /// Runs one test without time limits. `--gdb` of `boot` does the same for a shell.
    #[arg(long, conflicts_with_all = ["list", "bisect"])]
    pub gdb: bool,
    /// Add a second monitor and wait for its `cont`
    ///
    /// Prints the command that attaches to the monitor, and runs one test without time limits.
    #[arg(long, value_enum, value_name = "PROTOCOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "hmp")]
    pub monitor: Option<Language>,
    /// Log trace events of QEMU that match; repeatable
    ///
    /// For example `pci_nvme_*`. The events are in `trace.log` next to the other logs of the test.
    #[arg(long, value_name = "PATTERN")]
    pub trace: Vec<String>,
    /// Log the system calls of QEMU to `strace.log`
    #[arg(long)]
    pub strace_qemu: bool,
    /// Write a backtrace if QEMU crashes
    ///
    /// Lets QEMU write a core dump, if the host allows it, and keeps the backtrace of all threads in
    /// `backtrace.log`.
    #[arg(long)]
    pub gdb_on_crash: bool,
    /// Let `cargo xtask shell` open shells in guests
    ///
    /// Time limits pause while a user is attached. --gdb, --monitor and --shell-on-fail imply it.
    #[arg(long, conflicts_with_all = ["list", "bisect"])]
    pub shell: bool,
    /// Open a shell in the guest on failure
    ///
    /// Runs one test at a time without time limits. `exit` ends the shell.
    #[arg(long, conflicts_with_all = ["list", "bisect", "no_capture"])]
    pub shell_on_fail: bool,
    /// Write the test as a standalone script
    ///
    /// Runs the test first. The script needs only QEMU, and is meant for bug reports.
    #[arg(long, help_heading = REPORTS, value_name = "FILE", conflicts_with_all = ["list", "bisect"])]
    pub standalone: Option<Utf8PathBuf>,
}

/// The protocol of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Text commands
    Hmp,
    /// JSON commands
    Qmp,
}
