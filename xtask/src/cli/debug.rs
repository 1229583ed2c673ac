//! The flags of `cargo xtask test` that look closer: at what is tested, and at a test that fails.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

/// What to look at.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub(crate) struct DebugArgs {
    /// Say which of QEMU's PCI, USB and virtio devices the tests reach; with --list, without a run
    #[arg(long)]
    pub(crate) device_coverage: bool,
    /// End as `git bisect run` takes it: 0 good, 1 bad, 125 cannot be tested, 128 wrong command line
    #[arg(long, requires = "qemu", conflicts_with = "list")]
    pub(crate) bisect: bool,
    /// Run every test with two QEMUs in turn, and say what changed: outcome, results, choices, golden
    /// output; times with --repeat 5 or more, if beyond noise. Ends with 100 if a test got worse
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["qemu", "rerun",
          "bless", "junit", "no_capture", "device_coverage", "bisect", "gdb", "monitor", "trace",
          "strace_qemu", "standalone"])]
    pub(crate) compare_qemu: Option<Vec<Utf8PathBuf>>,
    /// Let QEMU wait for a debugger, print the line that starts it, and set no time limits; one test
    #[arg(long, conflicts_with_all = ["list", "bisect"])]
    pub(crate) gdb: bool,
    /// Give QEMU a second monitor, print the line that attaches to it, and wait for its `cont`; one test
    #[arg(long, value_enum, value_name = "LANGUAGE", num_args = 0..=1, require_equals = true,
          default_missing_value = "hmp")]
    pub(crate) monitor: Option<Language>,
    /// Log these of QEMU's trace events next to the test's logs; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    pub(crate) trace: Vec<String>,
    /// Run QEMU under strace, with its log next to the test's
    #[arg(long)]
    pub(crate) strace_qemu: bool,
    /// Let a QEMU that crashes write a core dump, and keep its backtrace
    #[arg(long)]
    pub(crate) gdb_on_crash: bool,
    /// Give a shell on its console in a guest whose half fails, and set no time limits; one test at a time
    #[arg(long, conflicts_with_all = ["list", "bisect", "no_capture"])]
    pub(crate) shell_on_fail: bool,
    /// Run one test and write it as a script that needs nothing but a QEMU: for a bug report
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "bisect"])]
    pub(crate) standalone: Option<Utf8PathBuf>,
}

/// The language of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// For people
    Hmp,
    /// JSON
    Qmp,
}
