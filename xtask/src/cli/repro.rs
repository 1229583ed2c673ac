//! The arguments of what has to do with building twice.

use camino::Utf8PathBuf;
use clap::Args;
use host::http::SecretUrl;

#[derive(Debug, Args)]
pub(crate) struct ReproArgs {
    /// Architecture; may be given more than once [default: all]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Build the step of this recipe twice, with inputs of the first build; may be given more than once
    /// [default: every step up to the image]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) step: Vec<String>,
    /// Take the second build's tools from the system below this directory, such as debootstrap makes it
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<Utf8PathBuf>,
    /// Seed of everything that is varied [default: random, printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Job slots of the second build [default: one more than the first has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) second_jobs: Option<u16>,
    /// Let `make` take up targets as they come
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// Days that the second build's clock is ahead, where libfaketime is installed; 0 leaves it as it is
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub(crate) days: u32,
    /// Run the second build without the sandbox, in real directories
    #[arg(long, conflicts_with = "root")]
    pub(crate) no_sandbox: bool,
    /// Keep the second build's store; a build that stopped continues with the same --seed
    #[arg(long)]
    pub(crate) keep: bool,
    /// Base URL of a Kiln mirror; may be given more than once [env: `KILN_MIRROR`]
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<SecretUrl>,
    /// Base URL of a Debian mirror for sources [env: `KILN_DEBIAN_MIRROR`] [default: the host's own]
    #[arg(long, value_name = "URL")]
    pub(crate) debian_mirror: Option<SecretUrl>,
}

/// What varies in the second build.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    #[arg(long, value_name = "RECIPE")]
    pub(crate) step: Vec<String>,
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<Utf8PathBuf>,
    #[arg(long, value_name = "SEED")]
    pub(crate) order: u64,
    #[arg(long, value_name = "SEED")]
    pub(crate) shuffle: Option<u32>,
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) days: u32,
    #[arg(long)]
    pub(crate) no_sandbox: bool,
}

impl RebuildArgs {
    /// The flags that are read back as this.
    pub(crate) fn flags(&self) -> Vec<String> {
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
