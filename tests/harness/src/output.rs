//! The exit status and output of a command.

use std::process::Command;

use serde_json::Value;

/// The exit status and output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// The complete stdout.
    pub stdout: String,
    /// The complete stderr.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// Asserts that stdout contains each of these texts.
    #[track_caller]
    pub fn stdout_has<'a>(&self, texts: impl IntoIterator<Item = &'a str>) {
        has("stdout", &self.stdout, texts);
    }

    /// Asserts that stderr contains each of these texts.
    #[track_caller]
    pub fn stderr_has<'a>(&self, texts: impl IntoIterator<Item = &'a str>) {
        has("stderr", &self.stderr, texts);
    }

    /// The printed JSON objects, one per line.
    pub fn json(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }

    /// The printed JSON objects with this `reason`.
    pub fn lines(&self, reason: &str) -> Vec<Value> {
        let mut lines = self.json();
        lines.retain(|line| line["reason"] == reason);
        lines
    }
}

#[track_caller]
fn has<'a>(stream: &str, printed: &str, texts: impl IntoIterator<Item = &'a str>) {
    for text in texts {
        assert!(
            printed.contains(text),
            "expected `{text}` in {stream}:\n{printed}"
        );
    }
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        let (code, stdout, stderr) = parts(output);
        Self {
            code,
            stdout,
            stderr,
        }
    }
}

/// Converts to exit code, stdout and stderr.
pub fn parts(output: std::process::Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, text(output.stdout), text(output.stderr))
}
