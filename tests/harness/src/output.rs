//! How a command ended and what it printed.

use std::process::Command;

use serde_json::Value;

/// How a command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

impl Output {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// The objects that it printed, one per line.
    pub fn json(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }

    /// Its objects with this `reason`.
    pub fn lines(&self, reason: &str) -> Vec<Value> {
        let mut lines = self.json();
        lines.retain(|line| line["reason"] == reason);
        lines
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

/// Exit code, stdout, stderr.
pub fn parts(output: std::process::Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    (code, text(output.stdout), text(output.stderr))
}
