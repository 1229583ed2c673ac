//! Adds the test to the image's initramfs: the kernel accepts concatenated archives.

use host::process::command::quote;
use plan::cpio::{Entry, Node, archive};
use session::SCRATCH;
use verdict::event::TestReport;

use super::{ExportError, Start};

/// Replaces init. `/kiln/run` is a placeholder for the test's guest script.
const INIT: &str = include_str!("init.sh");
/// Replaces init's other name, `kiln-call`.
const CALL: &str = include_str!("call.sh");
/// Alignment of an archive (`Documentation/driver-api/early-userspace/buffer-format.rst`).
const ALIGNMENT: usize = 4;

/// The initramfs with the test, its library, its environment and its choices.
pub(super) fn initramfs(start: &Start, report: &TestReport) -> Result<Vec<u8>, ExportError> {
    let mut bytes = match &start.boot.initrd {
        Some(initrd) => fs_err::read(initrd)?,
        None => Vec::new(),
    };
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend(archive(&entries(start, report), 0)?);
    Ok(bytes)
}

fn entries(start: &Start, report: &TestReport) -> Vec<Entry> {
    // Paths of this host are useless on another one.
    let environment = start.handover.environment.iter();
    let environment = environment.filter(|(name, _)| !SCRATCH.contains(&name.as_str()));
    let environment = environment.map(|(name, value)| format!("{name}={}", quote(value)));
    let environment = lines(environment.chain(["BOOTS=0".to_owned()]));
    let choices = report.setup.choices.iter();
    let choices = lines(choices.map(|choice| format!("{}={}", choice.name, choice.value)));
    let directory = |path: &str| Entry {
        path: path.to_owned(),
        mode: 0o755,
        node: Node::Directory,
    };
    let file = |path: &str, mode: u32, bytes: &[u8]| Entry {
        path: path.trim_start_matches('/').to_owned(),
        mode,
        node: Node::File(bytes.to_vec()),
    };
    // The script in the handover has the test's name, which the shell prints in its messages.
    let init = INIT.replace("/kiln/run", &quote(&start.handover.run));
    let mut entries = vec![
        directory("bin"),
        directory("kiln"),
        file("bin/kiln-call", 0o755, CALL.as_bytes()),
        file("kiln/choices", 0o644, choices.as_bytes()),
        file("kiln/environment", 0o644, environment.as_bytes()),
        file("kiln/standalone", 0o755, init.as_bytes()),
    ];
    let handed = start.handover.files.iter();
    entries.extend(handed.map(|(path, mode, bytes)| file(path, *mode, bytes)));
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |text, line| text + &line + "\n")
}
