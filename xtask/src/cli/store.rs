//! The options of `cargo xtask store`.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{EXECUTION, SELECTION, SourceArgs};

#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Print the path of the store or an image
    Path {
        /// Print the path of this architecture's image
        #[arg(value_name = "ARCH")]
        arch: Option<String>,
    },
    /// List the entries: size, last use, and checkouts
    List,
    /// Print how much space each kind of entry takes
    Du,
    /// Hash every entry and move corrupt ones to quarantine
    Verify {
        /// Then download or build the missing entries again
        ///
        /// Only images and sources that this checkout needs are repaired.
        #[arg(long, help_heading = EXECUTION)]
        repair: bool,
    },
    /// List entries that no checkout needs; --yes removes them
    Gc {
        /// Select entries unused for this many days
        #[arg(long, value_name = "DAYS", default_value_t = 30, help_heading = SELECTION)]
        older_than: u32,
        /// Also select entries until the rest fits this size
        ///
        /// The least recently used entries come first. A size is a number with K, M or G, such as `20G`.
        #[arg(long, value_name = "SIZE", value_parser = size, help_heading = SELECTION)]
        max_size: Option<u64>,
        /// Remove the entries
        #[arg(long, help_heading = EXECUTION)]
        yes: bool,
    },
    /// Write sources and images to an archive
    ///
    /// `cargo xtask store import` reads it, for example on a machine without a network.
    Export {
        /// Write this archive
        #[arg(value_name = "FILE.tar")]
        file: Utf8PathBuf,
        /// Write images only, which is enough to run tests
        #[arg(long, help_heading = SELECTION)]
        no_sources: bool,
        #[command(flatten)]
        source: SourceArgs,
    },
    /// Read an archive written by `store export`
    ///
    /// Every file is hashed before it is accepted.
    Import {
        /// Read this archive
        #[arg(value_name = "FILE.tar")]
        file: Utf8PathBuf,
    },
    /// Write an asset cache for QEMU's functional tests
    ///
    /// QEMU's functional tests find the images if `QEMU_TEST_CACHE_DIR` names the directory.
    ExportQemu {
        /// Write to this directory
        #[arg(value_name = "DIR")]
        dir: Utf8PathBuf,
        #[command(flatten)]
        source: SourceArgs,
    },
}

impl StoreCommand {
    /// Whether it may have to fetch or build.
    pub(crate) fn needs_builder(&self) -> bool {
        match self {
            Self::Export { .. } | Self::ExportQemu { .. } | Self::Verify { repair: true } => true,
            Self::Path { .. }
            | Self::List
            | Self::Du
            | Self::Verify { repair: false }
            | Self::Gc { .. }
            | Self::Import { .. } => false,
        }
    }
}

/// A size in bytes, with K, M or G.
fn size(text: &str) -> Result<u64, String> {
    plan::size::parse(text).ok_or_else(|| format!("expected a size such as `20G`, found `{text}`"))
}
