//! Installs the third-party servers for black-box tests of releases. They are optional: without a
//! server its tests are ignored, and the run reports that.

use std::time::Duration;

use camino::Utf8Path;
use host::packages;
use host::process::{Command, Stdio};
use host::tools;

use crate::context::Context;
use crate::output::{self, Color};

/// Servers from the system's packages.
const PACKAGED: [&str; 2] = ["nginx", "docker-registry"];
/// The server that cargo builds, an S3 server that stores objects in a folder.
const S3: &str = "s3s-fs";
const S3_VERSION: &str = "=0.13.0";

/// Time limit of its build.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The servers that are not installed.
pub(super) fn missing(context: &Context) -> Vec<String> {
    let mut missing = packages::missing(&PACKAGED.map(str::to_owned), &context.env);
    missing.extend(tools::find(S3).is_none().then(|| S3.to_owned()));
    missing
}

/// Installs the missing servers if possible.
pub(super) fn install(context: &Context, cargo: &str) {
    let missing = missing(context);
    let packaged: Vec<String> = missing.iter().filter(|its| *its != S3).cloned().collect();
    let style = context.style;
    let announce = |line: &str| output::note(format!("{} {line}", style.paint(Color::Bold, "$")));
    if !packaged.is_empty() {
        let done = packages::perform(&packaged, &context.env, &mut |command| {
            announce(&command.to_string());
        });
        if let Err(error) = done {
            output::note(format!("failed to install servers: {error}"));
        }
    }
    if missing.iter().any(|its| its == S3) {
        let words = [
            "install",
            S3,
            "--version",
            S3_VERSION,
            "--features",
            "binary",
        ];
        let build = Command::new(Utf8Path::new(cargo))
            .args(words)
            // The speed of the server does not matter.
            .args(["--locked", "--debug"])
            .current_dir(&context.root)
            .stdout(Stdio::Inherit)
            .stderr(Stdio::Inherit);
        announce(&build.shell_line());
        match build.run(LIMIT) {
            Ok(status) if status.success() => {}
            Ok(status) => output::note(format!("failed to install {S3}: {status}")),
            Err(error) => output::note(format!("failed to install {S3}: {error}")),
        }
    }
}
