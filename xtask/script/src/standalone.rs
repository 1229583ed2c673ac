//! Exports a test as one file for a bug report: a shell script that contains kernel, initramfs and
//! test, and needs only a QEMU.
//!
//! The test runs once under the runner with a [`Recorder`], which stores the parameters of QEMU's
//! start. [`script`] writes the file, or reports why it cannot: actions of a host script other than
//! starting QEMU cannot be exported. In the guest a shell script replaces init, so the images need
//! no support for this.

use camino::Utf8PathBuf;
use suite::header::{ExpectedEnd, Leave};
use verdict::event::TestReport;
use verdict::outcome::Outcome;

mod overlay;
mod payload;
mod recorder;

use payload::Payload;
pub use recorder::{DEVICE_TREE, INITRAMFS, KERNEL, Recorder, Start};

/// Why a test cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The test did not run.
    #[error("`{name}` did not run here: {why}")]
    NotRun {
        /// The test's name.
        name: String,
        /// The reason.
        why: String,
    },
    /// QEMU was not started, or more than once.
    #[error("`{name}` started QEMU {count} times; a standalone script can start it once")]
    Starts {
        /// The test's name.
        name: String,
        /// The number of starts.
        count: usize,
    },
    /// The test uses helper commands that need the runner.
    #[error("`{name}` needs the runner for {}; a standalone script has none", list(.words))]
    Words {
        /// The test's name.
        name: String,
        /// The helper commands.
        words: Vec<String>,
    },
    /// The guest reboots and continues.
    #[error("`{name}` continues after a reboot, which a standalone script does not support")]
    Reboots {
        /// The test's name.
        name: String,
    },
    /// The test uses its own initramfs.
    #[error("`{name}` boots its own initramfs, so the test cannot be added to it")]
    OwnInitramfs {
        /// The test's name.
        name: String,
    },
    /// A file on QEMU's command line cannot be included.
    #[error("`{file}` on QEMU's command line is {what}")]
    File {
        /// Relative to `$SCRATCH`.
        file: Utf8PathBuf,
        /// The problem.
        what: String,
    },
    /// A file cannot be read.
    #[error("failed to read the files of the test")]
    Io(#[from] std::io::Error),
    /// The initramfs cannot contain the test.
    #[error("failed to add the test to an initramfs")]
    Overlay(#[from] plan::cpio::CpioError),
}

fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

impl ExportError {
    /// The advice that helps.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Words { name, .. } | Self::Starts { name, .. } | Self::Reboots { name } => {
                Some(format!(
                    "the command lines of its QEMU are next to its logs: cargo xtask test {name}"
                ))
            }
            Self::File { .. } => Some("make a smaller one in the test's `in_host`".to_owned()),
            _ => None,
        }
    }
}

/// The exported test, in addition to the recording.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The report of the recorded run.
    pub report: &'a TestReport,
    /// The condition for a pass.
    pub ends: ExpectedEnd,
    /// Where the status of a test of kvm-unit-tests is: `exit` or `printed`. It has no records.
    pub unit: Option<&'static str>,
    /// Number of allowed reboots.
    pub reboots: u32,
    /// Name of the QEMU binary.
    pub binary: &'a str,
    /// Additional files of the script, such as the list of sources: name and bytes.
    pub notices: Vec<(String, Vec<u8>)>,
}

/// The text of the script, which must be made executable.
pub fn script(recorder: &Recorder, subject: &Subject<'_>) -> Result<Vec<u8>, ExportError> {
    let report = subject.report;
    let name = report.name.clone();
    if let Outcome::Skipped { .. } | Outcome::NotRun { .. } | Outcome::HarnessError { .. } =
        report.outcome
    {
        let why = report.outcome.cause();
        return Err(ExportError::NotRun { name, why });
    }
    if subject.reboots > 0 {
        return Err(ExportError::Reboots { name });
    }
    let recording = recorder.recording();
    let words: Vec<String> = recording.unanswerable().map(str::to_owned).collect();
    if !words.is_empty() {
        return Err(ExportError::Words { name, words });
    }
    let [start] = recording.starts.as_slice() else {
        let count = recording.starts.len();
        return Err(ExportError::Starts { name, count });
    };
    let has_initrd = start.boot.initrd.is_some();
    if has_initrd && !start.boots_initrd() {
        return Err(ExportError::OwnInitramfs { name });
    }
    let mut payload = Payload::default();
    payload.file(KERNEL, &fs_err::read(&start.boot.kernel)?)?;
    if has_initrd {
        payload.file(INITRAMFS, &overlay::initramfs(start, report)?)?;
    }
    if let Some(device_tree) = &start.boot.device_tree {
        payload.file(DEVICE_TREE, &fs_err::read(device_tree)?)?;
    }
    start.add_files(&mut payload)?;
    for (name, bytes) in &subject.notices {
        payload.file(name, bytes)?;
    }
    let arguments: Vec<String> = start.lines().map(|line| format!("{line} \\")).collect();
    Ok(payload.behind(|start_of_payload, files| {
        let quoted = |text: &str| text.replace('\'', "'\\''");
        let ends = match (subject.unit, subject.ends) {
            (Some(source), _) => source,
            (None, ExpectedEnd::Report) => "report",
            (None, ExpectedEnd::Leave(leave)) => Leave::label(leave),
        };
        TEMPLATE
            .replace("#@ABOUT@", &about(subject))
            .replace("#@FILES@", &files.join(" &&\n    "))
            .replace("#@ARGUMENTS@", &arguments.join("\n    "))
            .replace("@NAME@", &quoted(&report.name))
            .replace("@ENDS@", ends)
            .replace("@LIMIT@", &start.limit.as_secs().to_string())
            .replace("@BINARY@", subject.binary)
            .replace("@START@", start_of_payload)
    }))
}

const TEMPLATE: &str = include_str!("standalone/script.sh.in");

/// The introduction for a reader of the bug report, as comments.
fn about(subject: &Subject<'_>) -> String {
    let report = subject.report;
    let choices: Vec<String> = report
        .setup
        .choices
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut lines = vec![
        format!("{}: a test of QEMU in one file.", report.name),
        report.description.clone(),
        String::new(),
        format!(
            "Recorded with QEMU {}, accelerator {}, machine {}, seed {}.",
            report.setup.qemu, report.setup.accel, report.setup.machine, report.setup.seed
        ),
    ];
    if !choices.is_empty() {
        lines.push(format!("Chosen by the seed: {}.", choices.join(", ")));
    }
    let cause = report.outcome.cause();
    lines.push(if cause.is_empty() {
        format!("It {} there.", report.outcome.label())
    } else {
        format!("It {} there: {cause}.", report.outcome.label())
    });
    let comments = lines.iter().map(|line| format!("# {line}"));
    let comments: Vec<String> = comments.map(|line| line.trim_end().to_owned()).collect();
    comments.join("\n")
}

#[cfg(test)]
mod tests;
