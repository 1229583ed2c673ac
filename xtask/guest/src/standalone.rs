//! A test as one file: a shell script with kernel, initramfs and test inside, that needs nothing but
//! a QEMU. For a bug report.
//!
//! The test runs once under the runner, with a [`Recorder`] that keeps what QEMU was started with;
//! [`script`] makes the file of it, or says why there is none: what a host script does in addition to starting
//! QEMU cannot be put into a file. In the guest a shell script takes the place of init, so that the
//! images need not know of it.

use camino::Utf8PathBuf;
use suite::header::{ExpectedEnd, Leave};
use verdict::event::TestReport;
use verdict::outcome::Outcome;

mod overlay;
mod payload;
mod recorder;

use payload::Payload;
pub use recorder::Recorder;
pub(crate) use recorder::{INITRAMFS, KERNEL, Start};

/// Why a test cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It did not run.
    #[error("`{name}` did not run here: {why}")]
    NotRun {
        /// Its name.
        name: String,
        /// What was in the way.
        why: String,
    },
    /// No QEMU, or more than one.
    #[error("`{name}` started QEMU {count} times; a standalone script can start it once")]
    Starts {
        /// Its name.
        name: String,
        /// How often.
        count: usize,
    },
    /// Words that a runner answers.
    #[error("`{name}` needs the runner for {}; a standalone script has none", list(.words))]
    Words {
        /// Its name.
        name: String,
        /// The words.
        words: Vec<String>,
    },
    /// The guest reboots and continues.
    #[error("`{name}` continues after a reboot, which a standalone script does not support")]
    Reboots {
        /// Its name.
        name: String,
    },
    /// The test has an initramfs of its own.
    #[error("`{name}` boots its own initramfs, so the test cannot be added to it")]
    OwnInitramfs {
        /// Its name.
        name: String,
    },
    /// A file on QEMU's command line does not fit.
    #[error("`{file}` on QEMU's command line is {what}")]
    File {
        /// Relative to `$SCRATCH`.
        file: Utf8PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file cannot be read.
    #[error("failed to read the files of the test")]
    Io(#[from] std::io::Error),
    /// The initramfs cannot hold the test.
    #[error("failed to add the test to an initramfs")]
    Overlay(#[from] plan::cpio::CpioError),
}

fn list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

impl ExportError {
    /// The command that helps.
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

/// What is exported, in addition to what was recorded.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What came of the recorded run.
    pub report: &'a TestReport,
    /// What makes a pass.
    pub ends: ExpectedEnd,
    /// How often the guest may reboot.
    pub reboots: u32,
    /// Name of the QEMU binary.
    pub binary: &'a str,
    /// What the script carries in addition, such as where the sources are: name and bytes.
    pub notices: Vec<(String, Vec<u8>)>,
}

/// The script, to be made executable.
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
    if !start.boots_initrd() {
        return Err(ExportError::OwnInitramfs { name });
    }
    let mut payload = Payload::default();
    payload.file(KERNEL, &fs_err::read(&start.boot.kernel)?)?;
    payload.file(INITRAMFS, &overlay::initramfs(start, report)?)?;
    start.add_files(&mut payload)?;
    for (name, bytes) in &subject.notices {
        payload.file(name, bytes)?;
    }
    let arguments: Vec<String> = start.lines().map(|line| format!("{line} \\")).collect();
    Ok(payload.behind(|start_of_payload, files| {
        let quoted = |text: &str| text.replace('\'', "'\\''");
        let ends = match subject.ends {
            ExpectedEnd::Report => "report",
            ExpectedEnd::Leave(leave) => Leave::label(leave),
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

/// What a reader of the bug report needs to know first, as comments.
fn about(subject: &Subject<'_>) -> String {
    let report = subject.report;
    let choices: Vec<String> = report.choices.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        format!("{}: a test of QEMU in one file.", report.name),
        report.description.clone(),
        String::new(),
        format!(
            "Recorded with QEMU {}, accelerator {}, machine {}, seed {}.",
            report.qemu, report.accel, report.machine, report.seed
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
#[path = "standalone_tests.rs"]
mod tests;
