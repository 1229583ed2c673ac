//! Runs one job to its report, with retries, and keeps the logs of each try.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use camino::{Utf8Path, Utf8PathBuf};
use guest::case::{self, Library, Setting};
use guest::job::Job;
use start::decision::StartPolicy;
use verdict::contain::contain;
use verdict::event::{Attempt, RunEvent, TestReport};
use verdict::outcome::Outcome;
use verdict::runs::run_dir::RunDir;

use crate::config::Config;
use crate::confirm;

/// The state that all jobs of a run share.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub(super) config: &'a Config,
    pub(super) place: &'a RunDir,
    pub(super) library: &'a Library,
    /// The folder of the logs of all tests.
    pub(super) logs: Utf8PathBuf,
    /// Whether a test runs more than once, and so needs a folder per round.
    pub(super) numbered: bool,
    /// Whether a test that did not pass with restored guests is repeated with booted ones.
    pub(super) confirms: bool,
}

/// Placeholder for the reason why a test starts over; replaced by the real one.
const BOOTED: &str = "a guest of the test was not restored";

/// How the guests of a test start that did not pass with restored ones.
const CONFIRMED: StartPolicy = StartPolicy::Cold("the test did not pass with a restored guest");

/// Number of the next scratch folder.
static SCRATCH: AtomicUsize = AtomicUsize::new(0);

impl Worker<'_> {
    /// Runs the job until it succeeds, or no retry is left.
    pub(super) fn run(&self, job: &Job<'_>, events: &Sender<RunEvent>) -> TestReport {
        let logs = self.folder(job);
        let (mut failed_tries, mut notes) = (Vec::new(), Vec::new());
        let configured = job.changes.retries.unwrap_or(self.config.retries);
        let is_timing = job.test.test.header.timing;
        loop {
            let mut report = self.try_confirmed(job, &logs, events);
            let disturbance = report.busy_host().filter(|_| is_timing);
            let retries = configured.max(u32::from(disturbance.is_some()));
            let done = report.outcome.is_success()
                || matches!(report.outcome, Outcome::NotRun { .. })
                || failed_tries.len() >= retries as usize;
            if done {
                report.evidence.notes.extend(notes);
                report.failed_tries.splice(0..0, failed_tries);
                if self.config.limits.rounds.until_fail
                    && self.numbered
                    && report.outcome.is_success()
                {
                    drop_logs(&logs, &mut report);
                }
                return report;
            }
            let name = format!("{TRY}{}", failed_tries.len() + 1);
            notes.extend(disturbance.map(|busy| format!("try {}: {busy}", failed_tries.len() + 1)));
            let kept = report.evidence.log_dir.map(|_| keep(&logs, &name));
            failed_tries.push(Attempt {
                outcome: report.outcome,
                duration_ms: report.times.duration_ms,
                log_dir: kept.and_then(Result::ok),
            });
        }
    }

    /// Runs the job. If it does not pass with a restored guest, it is repeated with booted guests.
    /// Only that result counts, but a difference is a failure too, unless the test passes when its guests
    /// are restored once more: then it is flaky.
    fn try_confirmed(
        &self,
        job: &Job<'_>,
        logs: &Utf8Path,
        events: &Sender<RunEvent>,
    ) -> TestReport {
        let start = job.start.unwrap_or(self.config.case.start);
        let warm = self.try_restored(job, logs, start, events);
        let is_final = matches!(warm.outcome, Outcome::Passed | Outcome::NotRun { .. });
        if is_final || !self.confirms || !warm.is_warm() {
            return warm;
        }
        let kept = keep(logs, WARM);
        let note = match &kept {
            Ok(logs) => confirm::note(&warm, logs),
            Err(error) => error.to_string(),
        };
        let mut cold = self.try_once(job, logs, CONFIRMED, &OnceLock::new(), events);
        cold.evidence.notes.push(note);
        let is_failure = !matches!(warm.outcome, Outcome::Skipped { .. });
        if cold.outcome != Outcome::Passed || !is_failure {
            return confirm::confirmed(&warm, cold);
        }
        match keep(logs, COLD) {
            Ok(logs) => cold.evidence.log_dir = Some(logs),
            Err(error) => cold.evidence.notes.push(error.to_string()),
        }
        let mut again = self.try_restored(job, logs, start, events);
        if again.outcome != Outcome::Passed {
            return confirm::confirmed(&warm, cold);
        }
        again.failed_tries.push(Attempt {
            outcome: warm.outcome,
            duration_ms: warm.times.duration_ms,
            log_dir: kept.ok(),
        });
        again
    }

    /// Runs the job, and again with guests that boot if one was not restored: only that result counts.
    fn try_restored(
        &self,
        job: &Job<'_>,
        logs: &Utf8Path,
        start: StartPolicy,
        events: &Sender<RunEvent>,
    ) -> TestReport {
        let not_restored = OnceLock::new();
        let report = self.try_once(job, logs, start, &not_restored, events);
        let Some(why) = not_restored.into_inner() else {
            return report;
        };
        if matches!(report.outcome, Outcome::NotRun { .. }) {
            return report;
        }
        let kept = keep(logs, NOT_RESTORED);
        let cold = StartPolicy::Cold(BOOTED);
        let mut report = self.try_once(job, logs, cold, &OnceLock::new(), events);
        for guest in report
            .setup
            .starts
            .iter_mut()
            .filter(|guest| guest.reason == BOOTED)
        {
            guest.reason.clone_from(&why);
        }
        report.evidence.notes.push(match kept {
            Ok(logs) => format!("{why}; logs of that try: {logs}"),
            Err(error) => error.to_string(),
        });
        report
    }

    fn try_once(
        &self,
        job: &Job<'_>,
        logs: &Utf8Path,
        start: StartPolicy,
        not_restored: &OnceLock<String>,
        events: &Sender<RunEvent>,
    ) -> TestReport {
        let config = self.config;
        let Some(arch) = config.run_for(job) else {
            let why = "its architecture is not part of the run";
            return case::not_run(&config.case, None, job, why);
        };
        let number = SCRATCH.fetch_add(1, Ordering::Relaxed);
        let setting = Setting {
            config: &config.case,
            arch,
            test: job.test,
            job,
            library: self.library,
            logs: logs.to_owned(),
            start,
            not_restored,
            scratch: self.place.scratch().join(number.to_string()),
            events,
        };
        // The other tests of the run are not affected.
        let report = contain(|| case::run(&setting));
        report.unwrap_or_else(|message| case::broken(&setting, message))
    }

    fn folder(&self, job: &Job<'_>) -> Utf8PathBuf {
        let test = job.test;
        let folder = self
            .logs
            .join(test.arch)
            .join(&test.test.area)
            .join(&test.test.test);
        if self.numbered {
            folder.join(format!("round{}", job.round))
        } else {
            folder
        }
    }
}

/// Removes the logs of passed rounds: a search for a rare failure passes thousands of times.
fn drop_logs(logs: &Utf8Path, report: &mut TestReport) {
    if !report.failed_tries.is_empty() || report.evidence.log_dir.take().is_none() {
        return;
    }
    if let Err(error) = fs_err::remove_dir_all(logs) {
        report.evidence.notes.push(error.to_string());
    }
}

/// The prefix of the folders of earlier tries.
const TRY: &str = "try";

/// The folder with the logs of restored guests that did not pass.
const WARM: &str = "warm";

/// The folder with the logs of booted guests, where restored ones ran once more.
const COLD: &str = "cold";

/// The folder with the logs of a try in which a guest was not restored.
const NOT_RESTORED: &str = "not-restored";

/// Moves the logs of a try to a separate folder.
fn keep(logs: &Utf8Path, name: &str) -> std::io::Result<Utf8PathBuf> {
    let folder = logs.join(name);
    fs_err::create_dir(&folder)?;
    let stays =
        |entry: &str| entry.starts_with(TRY) || entry == name || (name == COLD && entry == WARM);
    for entry in fs_err::read_dir(logs)? {
        let entry = entry?.file_name();
        let entry = entry.to_string_lossy();
        if !stays(&entry) {
            fs_err::rename(logs.join(&*entry), folder.join(&*entry))?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_has_its_own_log_folder() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Utf8Path::from_path(dir.path()).unwrap();
        for number in 1..=2 {
            fs_err::write(logs.join("output.log"), number.to_string()).unwrap();
            assert_eq!(
                keep(logs, &format!("try{number}")).unwrap(),
                logs.join(format!("try{number}"))
            );
        }
        let first = fs_err::read_to_string(logs.join("try1/output.log")).unwrap();
        let second = fs_err::read_to_string(logs.join("try2/output.log")).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("1", "2"));
        assert!(!logs.join("output.log").exists());
        let warm = keep(logs, WARM).unwrap();
        fs_err::write(logs.join("output.log"), "cold").unwrap();
        keep(logs, COLD).unwrap();
        assert!(warm.exists() && logs.join("cold/output.log").exists());
    }
}
