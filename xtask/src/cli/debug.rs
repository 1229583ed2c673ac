//! The flags of `cargo xtask test` that look closer: at what is tested, and at a test that fails.

use camino::Utf8PathBuf;
use clap::Args;

/// What to look at.
#[derive(Debug, Clone, Args)]
pub(crate) struct DebugArgs {
    /// Say which of QEMU's PCI, USB and virtio devices the tests reach; with --list, without a run
    #[arg(long)]
    pub(crate) device_coverage: bool,
    /// End as `git bisect run` takes it: 0 good, 1 bad, 125 not to be told
    #[arg(long, requires = "qemu", conflicts_with = "list")]
    pub(crate) bisect: bool,
    /// Run one test and write it as a script that needs nothing but a QEMU: for a bug report
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "bisect"])]
    pub(crate) standalone: Option<Utf8PathBuf>,
}
