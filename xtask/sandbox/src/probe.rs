//! Finds out whether this host can run the sandbox, by running it.

use std::time::Duration;

use camino::Utf8PathBuf;
use host::process::Command;

use crate::faketime::ClockAhead;
use crate::isolation::{isolation, strings};
use crate::root::HostRoot;

/// Starting a sandbox takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// Whether builds run in the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SandboxChoice {
    /// Uses the sandbox if the host supports it.
    #[default]
    Auto,
    /// Does not use it.
    Off,
}

/// How scripts run on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandboxing {
    /// In a sandbox of bubblewrap.
    Bubblewrap {
        /// The path of `bwrap`.
        program: Utf8PathBuf,
        /// The root directory that it shows.
        root: HostRoot,
        /// The scripts' clock, if it is not the real one.
        clock: Option<ClockAhead>,
    },
    /// Without a sandbox.
    None {
        /// The reason, if it was not requested.
        why: Option<String>,
    },
}

/// Starts a trivial sandbox with the same options. `path` is the search path for `bwrap`.
#[must_use]
pub fn probe(choice: SandboxChoice, root: &HostRoot, path: &[Utf8PathBuf]) -> Sandboxing {
    if choice == SandboxChoice::Off {
        return Sandboxing::None { why: None };
    }
    let refused = |why: &str| Sandboxing::None {
        why: Some(why.to_owned()),
    };
    let Some(program) = host::tools::find_in("bwrap", path) else {
        return refused("`bwrap` (bubblewrap) is not installed");
    };
    // The probe must use every option that the script will use.
    let mut argv = vec![program.to_string()];
    argv.extend(isolation(root));
    argv.extend(strings(["--remount-ro", "/", "--", "/bin/sh", "-c", ":"]));
    match Command::from_argv(&argv).env_clear().output(LIMIT) {
        Ok(output) if output.status.success() => Sandboxing::Bubblewrap {
            program,
            root: root.clone(),
            clock: None,
        },
        Ok(output) => refused(output.stderr_text().trim()),
        Err(error) => refused(&error.to_string()),
    }
}
