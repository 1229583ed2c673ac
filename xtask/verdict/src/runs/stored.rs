//! Finds earlier runs by number or path and reads their reports.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::event::{OLDEST_SCHEMA, RunReport, SCHEMA};

/// The file name of the report in a run's folder.
pub const FILE: &str = "report.json";

/// Why no report can be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredRunError {
    /// No run has ended here.
    #[error("no run in `{0}`")]
    NoRun(Utf8PathBuf),
    /// The path contains no run.
    #[error("`{0}` is not a run: it has no `report.json`")]
    Unknown(Utf8PathBuf),
    /// The path already exists.
    #[error("`{0}` already contains a run")]
    Taken(Utf8PathBuf),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another version of Kiln wrote the report.
    #[error("unsupported schema {found} of `{path}`: expected {OLDEST_SCHEMA} to {SCHEMA}")]
    Schema {
        /// The file.
        path: Utf8PathBuf,
        /// The schema of the file.
        found: u32,
    },
    /// The file is not a report.
    #[error("`{path}` is not a report")]
    NoReport {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl StoredRunError {
    /// The command or advice that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRun(_) => Some("cargo xtask test".to_owned()),
            Self::Unknown(path) => {
                let kept = numbers(path.parent()?).ok()?;
                let kept: Vec<String> = kept.iter().map(u64::to_string).collect();
                let some = !kept.is_empty();
                some.then(|| format!("expected one of {}, `latest`", kept.join(", ")))
            }
            Self::Schema { found, .. } if *found > SCHEMA => {
                Some("read it with the newer Kiln that wrote it".to_owned())
            }
            Self::Schema { .. } => {
                Some("read it with the Kiln that wrote it, or run the tests again".to_owned())
            }
            Self::Taken(_) | Self::Io(_) | Self::NoReport { .. } => None,
        }
    }
}

/// The schema alone, which is checked before anything else is parsed.
#[derive(Deserialize)]
struct Version {
    #[serde(default = "before_versions")]
    schema: u32,
}

/// The first reports had no version.
fn before_versions() -> u32 {
    1
}

/// Finds the folder of a run: `latest`, a number below `runs`, or a path.
pub fn find(runs: &Utf8Path, asked: &str, here: &Utf8Path) -> Result<Utf8PathBuf, StoredRunError> {
    if asked == "latest" {
        let numbers = numbers(runs)?;
        let latest = numbers.last().map(|number| runs.join(number.to_string()));
        return latest.ok_or_else(|| StoredRunError::NoRun(runs.to_owned()));
    }
    let dir = if let Ok(number) = asked.parse::<u64>() {
        runs.join(number.to_string())
    } else {
        let path = here.join(asked);
        match path.parent() {
            Some(folder) if path.file_name() == Some(FILE) => folder.to_owned(),
            _ => path,
        }
    };
    if dir.join(FILE).is_file() {
        Ok(dir)
    } else {
        Err(StoredRunError::Unknown(dir))
    }
}

/// The folders of all runs in a folder or below it, such as artifacts that were unpacked into
/// separate folders.
pub fn below(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, StoredRunError> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        if folder.join(FILE).is_file() {
            found.push(folder);
            continue;
        }
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.into_path());
            }
        }
    }
    if found.is_empty() {
        return Err(StoredRunError::NoRun(dir.to_owned()));
    }
    found.sort();
    Ok(found)
}

/// The runs of a folder that have ended, oldest first. Those of a schema that is no longer read are left out.
pub fn all(runs: &Utf8Path) -> Result<Vec<RunReport>, StoredRunError> {
    let mut found = Vec::new();
    for number in numbers(runs)? {
        match read(&runs.join(number.to_string())) {
            Ok(run) => found.push(run),
            Err(StoredRunError::Schema { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads the run in a folder; its logs are looked for where the folder is now.
pub fn read(dir: &Utf8Path) -> Result<RunReport, StoredRunError> {
    let path = dir.join(FILE);
    let text = fs_err::read_to_string(&path)?;
    let wrong = |source| StoredRunError::NoReport {
        path: path.clone(),
        source,
    };
    let Version { schema } = serde_json::from_str(&text).map_err(wrong)?;
    if !(OLDEST_SCHEMA..=SCHEMA).contains(&schema) {
        let found = schema;
        return Err(StoredRunError::Schema { path, found });
    }
    let mut run: RunReport = serde_json::from_str(&text).map_err(wrong)?;
    relocate(&mut run, dir);
    Ok(run)
}

/// Changes the run's paths to those below another folder.
pub(super) fn relocate(run: &mut RunReport, dir: &Utf8Path) {
    let old = std::mem::replace(&mut run.run_dir, dir.to_owned());
    let tries = |test: &mut crate::event::TestReport| {
        let own = &mut test.evidence.log_dir;
        let tries = test
            .failed_tries
            .iter_mut()
            .map(|failed| &mut failed.log_dir);
        for log_dir in std::iter::once(own).chain(tries).flatten() {
            if let Ok(rest) = log_dir.strip_prefix(&old) {
                *log_dir = dir.join(rest);
            }
        }
    };
    run.tests.iter_mut().for_each(tries);
}

/// The numbers of the ended runs, oldest first.
fn numbers(runs: &Utf8Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    if !runs.is_dir() {
        return Ok(numbers);
    }
    for entry in fs_err::read_dir(runs)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse::<u64>().ok());
        let ended = entry.path().join(FILE).is_file();
        numbers.extend(number.filter(|_| ended));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::outcome::Outcome;

    fn keep(dir: &Utf8Path, text: &str) {
        fs_err::create_dir_all(dir).unwrap();
        fs_err::write(dir.join(FILE), text).unwrap();
    }

    #[test]
    fn run_is_found_by_number_path_or_latest() {
        let temp = tempfile::tempdir().unwrap();
        let here = Utf8Path::from_path(temp.path()).unwrap();
        let runs = here.join("runs");
        let found = |asked: &str| find(&runs, asked, here).map(|dir| dir.to_string());
        assert!(matches!(found("latest"), Err(StoredRunError::NoRun(_))));
        keep(&runs.join("9"), "{}");
        keep(&runs.join("10"), "{}");
        fs_err::create_dir(runs.join("11")).unwrap();
        for (asked, expect) in [
            ("latest", "runs/10"),
            ("9", "runs/9"),
            ("runs/9/report.json", "runs/9"),
            ("runs/9/", "runs/9"),
        ] {
            assert_eq!(found(asked).unwrap(), here.join(expect), "{asked}");
        }
        keep(&here.join("my"), "{}");
        assert!(matches!(
            find(&runs, "myreport.json", here),
            Err(StoredRunError::Unknown(_))
        ));
        let error = find(&runs, "11", here).unwrap_err();
        assert_eq!(
            error.hint().as_deref(),
            Some("expected one of 9, 10, `latest`")
        );
    }

    #[test]
    fn log_paths_follow_a_moved_folder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap().join("elsewhere");
        let run = run_report(vec![test_report("a::b::c", Outcome::Passed)]);
        keep(&dir, &serde_json::to_string(&run).unwrap());
        let read = read(&dir).unwrap();
        assert_eq!(read.tests[0].evidence.log_dir, Some(dir.join("a/b/c")));
        assert_eq!(read.run_dir, dir);
    }

    #[test]
    fn report_of_other_schema_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let check = |text: &str, expect: &str| {
            keep(dir, text);
            let error = read(dir).unwrap_err().to_string();
            assert!(error.ends_with(expect), "{error}");
        };
        let unsupported = |found: u32| {
            format!(
                "unsupported schema {found} of `{dir}/report.json`: \
                 expected {OLDEST_SCHEMA} to {SCHEMA}"
            )
        };
        check(r#"{"seed": 7, "tests": []}"#, &unsupported(1));
        check(r#"{"schema": 99}"#, &unsupported(99));
        keep(dir, r#"{"schema": 99}"#);
        let hint = read(dir).unwrap_err().hint();
        assert!(hint.is_some_and(|hint| hint.contains("newer Kiln")));
        check("{", "is not a report");
        check(&format!(r#"{{"schema": {SCHEMA}}}"#), "is not a report");
    }
    #[test]
    fn older_report_names_what_is_missing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let mut value =
            serde_json::to_value(run_report(vec![test_report("a::b::c", Outcome::Passed)]))
                .unwrap();
        value["schema"] = OLDEST_SCHEMA.into();
        value["tests"][0].as_object_mut().unwrap().remove("kind");
        keep(dir, &value.to_string());
        let old = read(dir).unwrap();
        assert_eq!(old.tests[0].kind, None);
        assert_eq!(
            old.missing().as_deref(),
            Some("report of schema 2: the kinds of tests are not recorded")
        );
        assert_eq!(run_report(Vec::new()).missing(), None);
    }
}
