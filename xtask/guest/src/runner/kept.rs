//! Runs of earlier days, read back from where they are kept.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::place::{REPORT, runs_in};
use crate::event::RunReport;

/// The name of the newest run that was kept.
const LATEST: &str = "latest";

/// Why a run cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// Nothing was ever run here, or nothing came to its end.
    #[error("no run is kept in `{0}`")]
    None(Utf8PathBuf),
    /// There are others.
    #[error("there is no run `{run}`")]
    Unknown {
        /// What was asked for.
        run: String,
        /// The numbers of those that are there, oldest first.
        kept: Vec<u64>,
    },
    /// It was killed, still goes on, or compared two QEMUs.
    #[error("the run `{0}` has no report: it did not come to its end, or was a comparison")]
    Unfinished(u64),
    /// Its report is another's, or of another time.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// The report.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl KeptError {
    /// The command that mends it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None(_) => Some("cargo xtask test".to_owned()),
            Self::Unknown { kept, .. } => {
                let kept: Vec<_> = kept.iter().map(u64::to_string).collect();
                Some(format!("kept are {}", kept.join(", ")))
            }
            Self::Unfinished(_) | Self::Unreadable { .. } => {
                Some("name another run, or repeat this one from its beginning".to_owned())
            }
            Self::Io(_) => None,
        }
    }
}

/// The report of the run with this number, or of the `latest` that came to its end.
pub fn kept(runs: &Utf8Path, run: &str) -> Result<RunReport, KeptError> {
    let numbers = match runs_in(runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        numbers => numbers?,
    };
    let report = |number: &u64| runs.join(number.to_string()).join(REPORT);
    let finished: Vec<_> = numbers
        .iter()
        .copied()
        .filter(|number| report(number).is_file())
        .collect();
    let Some(newest) = finished.last() else {
        return Err(KeptError::None(runs.to_owned()));
    };
    let number = if run == LATEST {
        *newest
    } else {
        let asked = run.parse().ok().filter(|number| numbers.contains(number));
        asked.ok_or_else(|| KeptError::Unknown {
            run: run.to_owned(),
            kept: finished.clone(),
        })?
    };
    if !finished.contains(&number) {
        return Err(KeptError::Unfinished(number));
    }
    let path = report(&number);
    let text = fs_err::read(&path)?;
    serde_json::from_slice(&text).map_err(|source| KeptError::Unreadable { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::run_report;

    #[test]
    fn a_run_is_found_by_its_number_and_the_latest_is_one_that_ended() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Utf8Path::from_path(dir.path()).unwrap();
        let said = |run: &str| match kept(runs, run) {
            Ok(report) => format!("seed {}", report.seed),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        };
        let none = format!("no run is kept in `{runs}`; cargo xtask test");
        assert_eq!(said("latest"), none);
        for number in 8..=12 {
            let folder = runs.join(number.to_string());
            fs_err::create_dir(&folder).unwrap();
            let report = RunReport {
                seed: number,
                ..run_report(Vec::new())
            };
            let text = match number {
                12 => continue,
                11 => "{}".to_owned(),
                _ => serde_json::to_string(&report).unwrap(),
            };
            fs_err::write(folder.join(REPORT), text).unwrap();
        }
        assert_eq!(said("9"), "seed 9");
        assert_eq!(said("7"), "there is no run `7`; kept are 8, 9, 10, 11");
        assert_eq!(said("x"), "there is no run `x`; kept are 8, 9, 10, 11");
        let unfinished =
            "the run `12` has no report: it did not come to its end, or was a comparison";
        assert!(said("12").starts_with(unfinished), "{}", said("12"));
        let unreadable = format!("cannot read `{runs}/11/report.json`");
        assert!(
            said("latest").starts_with(&unreadable),
            "{}",
            said("latest")
        );
        fs_err::remove_dir_all(runs.join("11")).unwrap();
        assert_eq!(said("latest"), "seed 10");
    }
}
