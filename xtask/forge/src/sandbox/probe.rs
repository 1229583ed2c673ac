//! Whether this host can run the sandbox, found out by running it.

use std::time::Duration;

use camino::Utf8PathBuf;
use host::process::Command;

use super::{ClockAhead, HostRoot, SandboxChoice, isolation, strings};

/// Starting one takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

/// How scripts run on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sandboxing {
    /// In a sandbox of bubblewrap.
    Bubblewrap {
        /// The program.
        program: Utf8PathBuf,
        /// What of the host, or of another system, it shows.
        root: HostRoot,
        /// The scripts' clock, where it is not the right one.
        clock: Option<ClockAhead>,
    },
    /// Plainly.
    None {
        /// Why, where it was not asked for.
        why: Option<String>,
    },
}

/// Finds out by starting a trivial sandbox of the same kind; `path` is where `bwrap` is looked for.
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
    // What the script runs as is what must be allowed, to the last option.
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
