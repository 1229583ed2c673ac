//! A run as JSON lines, each with a `reason`; the schema is documented and has a version.
//!
//! Fields are only ever added within a version.

use serde_json::{Value, json};

use crate::event::RunEvent;

/// Of the lines' schema, in the first line.
pub const SCHEMA_VERSION: u32 = 1;

/// The line for an event, without its newline.
#[must_use]
pub fn line(event: &RunEvent) -> String {
    let value = match event {
        RunEvent::RunStarted {
            seed,
            total,
            run_dir,
        } => json!({
            "reason": "run-started",
            "schema": SCHEMA_VERSION,
            "seed": seed,
            "total": total,
            "run_dir": run_dir,
        }),
        RunEvent::Note { text } => json!({"reason": "note", "text": text}),
        RunEvent::TestStarted { name } => json!({"reason": "test-started", "name": name}),
        RunEvent::TestOutput { name, bytes } => json!({
            "reason": "test-output",
            "name": name,
            "text": String::from_utf8_lossy(bytes),
        }),
        RunEvent::ShellOpened { name } => json!({"reason": "shell-opened", "name": name}),
        RunEvent::ShellOutput { bytes } => json!({
            "reason": "shell-output", "text": String::from_utf8_lossy(bytes),
        }),
        RunEvent::TestFinished(test) => {
            tagged("test-finished", test.as_ref(), test.outcome.cause())
        }
        RunEvent::RunFinished(run) => json!({
            "reason": "run-finished",
            "seed": run.seed,
            "duration_ms": run.duration_ms,
            "counts": run.counts(),
            "exit_code": run.exit_code(),
            "interrupted": run.interrupted,
            "run_dir": run.run_dir,
        }),
    };
    value.to_string()
}

fn tagged(reason: &str, event: &impl serde::Serialize, cause: String) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("reason".to_owned(), reason.into());
        object.insert("cause".to_owned(), cause.into());
    }
    value
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::outcome::{Outcome, Phase};

    #[test]
    fn each_event_is_one_line_with_a_reason() {
        let late = Outcome::TimedOut {
            phase: Phase::Boot,
            limit_ms: 20_000,
        };
        let test = test_report("x86_64::boot::true", late);
        let name = || "x86_64::boot::true".to_owned();
        let bytes = b"a\nb \xff\x1b[0m".to_vec();
        let events = [
            RunEvent::RunStarted {
                seed: 7,
                total: 1,
                run_dir: "runs/1".into(),
            },
            RunEvent::Note {
                text: "using TCG".to_owned(),
            },
            RunEvent::TestStarted { name: name() },
            RunEvent::TestOutput {
                name: name(),
                bytes,
            },
            RunEvent::TestFinished(Box::new(test.clone())),
            RunEvent::RunFinished(run_report(vec![test])),
        ];
        let lines: Vec<_> = events.iter().map(line).collect();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert_snapshot!(lines.join("\n"));
    }
}
