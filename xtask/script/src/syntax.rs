//! Finds syntax errors of a test script when the test is selected, instead of after a boot.

use std::time::Duration;

use camino::Utf8Path;
use host::process::{Command, ProcessError};
use plan::diagnostic::Diagnostic;

use crate::statements;

/// Time limit for the shell to parse one script.
const LIMIT: Duration = Duration::from_secs(30);

/// A script could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum SyntaxError {
    /// It cannot be read.
    #[error("failed to read a test")]
    Read(#[from] std::io::Error),
    /// The shell cannot be run.
    #[error("failed to check a test with `/bin/sh -n`")]
    Shell(#[from] ProcessError),
}

/// Whether the shell can parse all of these. One process is faster than one per script.
pub fn is_valid(paths: &[&Utf8Path]) -> Result<bool, SyntaxError> {
    let each = "for file; do sh -n \"$file\" || exit; done";
    let shell = Command::new("/bin/sh").args(["-c", each, "sh"]);
    Ok(shell.args(paths).output(LIMIT)?.status.success())
}

/// The errors in a script, which messages call `shown`. Empty for a correct one.
///
/// `is_valid` is true if the shell can parse it.
pub fn check(
    path: &Utf8Path,
    shown: &Utf8Path,
    is_valid: bool,
) -> Result<Vec<Diagnostic>, SyntaxError> {
    let text = String::from_utf8_lossy(&fs_err::read(path)?).into_owned();
    let text = text.as_str();
    let fault = |span: std::ops::Range<usize>, title: &str, label: &str, help: &str| Diagnostic {
        path: shown.to_owned(),
        text: text.to_owned(),
        span,
        title: title.to_owned(),
        label: label.to_owned(),
        help: (!help.is_empty()).then(|| help.to_owned()),
    };
    if text.starts_with('\u{feff}') {
        let (title, label) = (
            "the script begins with a byte-order mark",
            "a shell reads it as a command",
        );
        return Ok(vec![fault(
            0..3,
            title,
            label,
            "sed -i '1s/^\\xEF\\xBB\\xBF//' removes it",
        )]);
    }
    if let Some(at) = text.find("\r\n") {
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let (title, label) = ("the script has DOS line endings", "this line ends in CR LF");
        return Ok(vec![fault(
            start..at.max(start + 1),
            title,
            label,
            "sed -i 's/\\r$//' removes them",
        )]);
    }
    let stderr = if is_valid {
        None
    } else {
        let output = Command::new("/bin/sh").arg("-n").arg(path).output(LIMIT)?;
        (!output.status.success()).then(|| output.stderr_text())
    };
    if let Some(stderr) = stderr {
        let (line, message) = complaint(&stderr);
        let title = format!("the script is not valid: {message}");
        return Ok(vec![fault(
            line_span(text, line),
            &title,
            "the shell stops here",
            "",
        )]);
    }
    let foreign = statements::read(text).foreign.into_iter();
    let words = foreign.map(|span| {
        let title = format!(
            "`{}` is not a command of a POSIX shell",
            &text[span.clone()]
        );
        fault(
            span,
            &title,
            "only other shells have it",
            "tests are run by busybox ash in the guest and /bin/sh on the host",
        )
    });
    Ok(words.collect())
}

/// Parses line and message of `FILE: LINE: MESSAGE` (dash) or `FILE: line LINE: MESSAGE` (bash,
/// busybox).
fn complaint(stderr: &str) -> (usize, &str) {
    let first = stderr.lines().next().unwrap_or("no message");
    let mut parts = first.splitn(3, ": ");
    let (_, line, message) = (parts.next(), parts.next(), parts.next());
    let line = line.map(|line| line.trim_start_matches("line "));
    let number = line.and_then(|line| line.parse().ok());
    match (number, message) {
        (Some(number), Some(message)) => (number, message.trim_start_matches("Syntax error: ")),
        _ => (1, first),
    }
}

/// The byte range of a line, from 1, without surrounding blanks. The last line if there are fewer.
fn line_span(text: &str, number: usize) -> std::ops::Range<usize> {
    let mut start = 0;
    let mut span = 0..text.len().min(1);
    for line in text.split_inclusive('\n').take(number) {
        let blank = line.len() - line.trim_start().len();
        if !line.trim().is_empty() {
            span = start + blank..start + line.trim_end().len();
        }
        start += line.len();
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x.sh");
        fs_err::write(&path, text).unwrap();
        let found = super::check(&path, &path, is_valid(&[&path]).unwrap()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|found| format!("{}: {}", found.line_column().0, found.title))
            .collect();
        let shown = shown.join("\n");
        assert!(shown.starts_with(expect), "{shown}");
        assert_eq!(shown.is_empty(), expect.is_empty(), "{shown}");
    }

    #[test]
    fn errors_of_a_script_have_a_location() {
        check("in_guest() {\n    true\n}\n", "");
        check(
            "\u{feff}in_guest() { true; }\n",
            "1: the script begins with a byte-order mark",
        );
        check("a\nb\r\nc\r\n", "2: the script has DOS line endings");
        check(
            "in_guest() {\n    if true; then\n}\n",
            "3: the script is not valid: ",
        );
        check(
            "in_guest() {\n    x=(1 2)\n}\n",
            "2: the script is not valid: ",
        );
        check(
            "in_guest() {\n    if true; then\n    echo\n",
            "3: the script is not valid: ",
        );
        check(
            "in_guest() {\n    [[ a == b ]]\n}\n",
            "2: `[[` is not a command of a POSIX shell",
        );
    }

    #[test]
    fn messages_of_each_shell_are_parsed() {
        let check = |text: &str, expect| assert_eq!(complaint(text), expect, "{text}");
        check(
            "x.sh: 3: Syntax error: \"}\" unexpected\n",
            (3, "\"}\" unexpected"),
        );
        check(
            "x.sh: line 3: syntax error: unexpected \"}\"\n",
            (3, "syntax error: unexpected \"}\""),
        );
        check("strange", (1, "strange"));
        check("", (1, "no message"));
    }
}
