//! Exposes the guest tests to `cargo test --test guest` and nextest: one trial per test and
//! architecture. Each runs through `cargo xtask test` in a separate process.
//!
//! They take minutes and need a QEMU, so they are ignored unless requested by `KILN_GUEST_TESTS=1`,
//! or by the harness's own `--ignored` and `--include-ignored`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "acts as a user does, from outside"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;

/// Number of lines of a test's output that are shown.
const TAIL: usize = 20;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let wanted = std::env::var_os("KILN_GUEST_TESTS").is_some_and(|value| value == "1");
    let is_run = (wanted || arguments.ignored || arguments.include_ignored) && !arguments.list;
    // QEMU is probed only if tests will run.
    match listed(wanted || is_run) {
        Ok(tests) => {
            let trials = tests
                .into_iter()
                .map(|test| trial(test, wanted, &arguments));
            libtest_mimic::run(&arguments, trials.collect()).exit_code()
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// A line of `test --list`.
struct Listed {
    name: String,
    arch: String,
    skip: Option<String>,
}

fn listed(with_skips: bool) -> Result<Vec<Listed>, String> {
    let mut command = Command::new(harness::xtask_path());
    command.args(["test", "--list", "--message-format=json"]);
    command.args(with_skips.then_some("--skips"));
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let test = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Some(Listed {
            name: text("name")?,
            arch: text("arch")?,
            skip: text("skip"),
        })
    };
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().filter_map(test).collect())
}

fn trial(test: Listed, wanted: bool, arguments: &Arguments) -> Trial {
    // nextest uses the list. If the harness runs trials itself, it shows the reason.
    let is_ignored = !wanted || (arguments.list && test.skip.is_some());
    let name = test.name.clone();
    Trial::ignorable_test(name, move || run(&test)).with_ignored_flag(is_ignored)
}

fn run(test: &Listed) -> Result<Completion, Failed> {
    if let Some(reason) = &test.skip {
        return Ok(Completion::ignored_with(reason));
    }
    let output = Command::new(harness::xtask_path())
        .args(["test", "--exact", &test.name, "--arch", &test.arch])
        .args(["--jobs=1", "--message-format=json", "--runs"])
        .arg(runs(&test.name))
        .output()?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let values = lines.lines().map(serde_json::from_str::<Value>);
    let report = values
        .flatten()
        .find(|value| value["reason"] == "test-finished");
    let Some(report) = report else {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    };
    match report["outcome"].as_str() {
        Some("skipped") => Ok(Completion::ignored_with(text(&report["why"]))),
        _ if output.status.success() => Ok(Completion::Completed),
        _ => Err(explanation(&report).into()),
    }
}

/// A separate runs folder per test, so that its last runs are kept whatever the others do.
fn runs(name: &str) -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
    let manifest = manifest.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = manifest.parent().map_or(manifest.clone(), Path::to_owned);
    let folders = name.split("::").collect::<PathBuf>();
    root.join("target/kiln/trials").join(folders)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The information that a user needs to continue.
fn explanation(report: &Value) -> String {
    let mut explained = format!("{}: {}", text(&report["outcome"]), text(&report["cause"]));
    for (label, key) in [
        ("diff", "diff"),
        ("output", "output_tail"),
        ("console", "console_tail"),
    ] {
        let lines = report[key].as_array().map_or(&[][..], Vec::as_slice);
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            let _ = write!(explained, "\n{label} | {}", text(line));
        }
    }
    for (label, key) in [("logs", "log_dir"), ("again", "reproduce")] {
        let _ = write!(explained, "\n{label} {}", text(&report[key]));
    }
    explained
}
