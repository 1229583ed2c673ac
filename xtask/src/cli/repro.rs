//! The options of `cargo xtask repro`, and of the second build that it starts.

use camino::Utf8PathBuf;
use clap::Args;
use host::secret::SecretUrl;

use super::{DEBUGGING, EXECUTION, IMAGES, SELECTION};

#[derive(Debug, Args)]
#[command(next_help_heading = EXECUTION)]
pub struct ReproArgs {
    /// Select an architecture, or `all`; repeatable
    ///
    /// The default is `arch` of `kiln.toml`, or else the main targets: `default` in `images/<arch>.toml`.
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Build only the step of this recipe twice; repeatable
    ///
    /// The second build takes the inputs of the step from the first. The default is every step up to the
    /// image.
    #[arg(long, value_name = "RECIPE", help_heading = SELECTION)]
    pub step: Vec<String>,
    /// Use host tools of another system in this directory
    ///
    /// The directory is a root file system, for example one that debootstrap made.
    #[arg(long, value_name = "DIR")]
    pub root: Option<Utf8PathBuf>,
    /// Set the seed of the variations
    ///
    /// The default is a random seed, which is printed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Set the number of jobs of the second build
    ///
    /// The default is one more than the first build has.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub second_jobs: Option<u16>,
    /// Do not shuffle the order of make targets
    #[arg(long)]
    pub no_shuffle: bool,
    /// Set the second build's clock N days ahead
    ///
    /// Needs libfaketime. With 0, the clock is not changed.
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub days: u32,
    /// Run the second build without the sandbox
    #[arg(long, conflicts_with = "root")]
    pub no_sandbox: bool,
    /// Keep the store of the second build
    ///
    /// An interrupted second build resumes with the same --seed.
    #[arg(long, help_heading = DEBUGGING)]
    pub keep: bool,
    /// Download from this Kiln mirror; repeatable [env: `KILN_MIRROR`]
    #[arg(long, value_name = "URL", help_heading = IMAGES)]
    pub mirror: Vec<SecretUrl>,
    /// Download sources from this Debian mirror [env: `KILN_DEBIAN_MIRROR`]
    ///
    /// The default is the mirror that the host uses.
    #[arg(long, value_name = "URL", help_heading = IMAGES)]
    pub debian_mirror: Option<SecretUrl>,
}

/// The variations of the second build.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Select an architecture; repeatable
    #[arg(long, value_name = "ARCH")]
    pub arch: Vec<String>,
    /// Build the step of this recipe; repeatable
    #[arg(long, value_name = "RECIPE")]
    pub step: Vec<String>,
    /// Use host tools of another system in this directory
    #[arg(long, value_name = "DIR")]
    pub root: Option<Utf8PathBuf>,
    /// Set the seed of the order of files
    #[arg(long, value_name = "SEED")]
    pub order: u64,
    /// Shuffle make targets with this seed
    #[arg(long, value_name = "SEED")]
    pub shuffle: Option<u32>,
    /// Set the clock N days ahead
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub days: u32,
    /// Build without the sandbox
    #[arg(long)]
    pub no_sandbox: bool,
}

impl RebuildArgs {
    /// The flags that parse to this.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        flags.extend(self.arch.iter().map(|arch| format!("--arch={arch}")));
        flags.extend(self.step.iter().map(|step| format!("--step={step}")));
        flags.extend(self.root.iter().map(|root| format!("--root={root}")));
        flags.extend(self.shuffle.iter().map(|seed| format!("--shuffle={seed}")));
        flags.push(format!("--order={}", self.order));
        flags.push(format!("--days={}", self.days));
        if self.no_sandbox {
            flags.push("--no-sandbox".to_owned());
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn rebuild_flags_are_written_as_read() {
        let check = |flags: &[&str]| {
            let words = [&["xtask", "rebuild"], flags].concat();
            let Command::Rebuild(args) = Cli::try_parse_from(words).unwrap().command else {
                panic!("another command");
            };
            assert_eq!(args.flags(), flags);
        };
        check(&["--order=7", "--days=0"]);
        check(&[
            "--arch=x",
            "--arch=y",
            "--step=gcc",
            "--order=7",
            "--days=0",
        ]);
        check(&[
            "--root=/a b",
            "--shuffle=3",
            "--order=7",
            "--days=400",
            "--no-sandbox",
        ]);
    }
}
