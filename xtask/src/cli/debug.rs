//! The flags of `cargo xtask test` that look closer: at what is tested, and at a test that fails.

use clap::Args;

/// What to look at.
#[derive(Debug, Clone, Args)]
pub(crate) struct DebugArgs {
    /// Say which of QEMU's PCI, USB and virtio devices the tests reach; with --list, without a run
    #[arg(long)]
    pub(crate) device_coverage: bool,
}
