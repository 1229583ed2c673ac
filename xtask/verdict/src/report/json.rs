//! A run as JSON: one line per event with a `reason`, or one value for the whole run.
//! `guest-tests/REPORTS.md` describes the schema of both.

use serde_json::{Value, json};

use crate::event::{RunEvent, RunReport, SCHEMA};

/// A finished run, in the form in which it is stored.
pub fn document(run: &RunReport) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(run)? + "\n")
}

/// The JSON line of an event, without a newline.
#[must_use]
pub fn line(event: &RunEvent) -> String {
    let value = match event {
        RunEvent::RunStarted {
            seed,
            total,
            run_dir,
            platforms,
        } => json!({
            "reason": "run-started",
            "schema": SCHEMA,
            "seed": seed,
            "total": total,
            "run_dir": run_dir,
            "platforms": platforms,
        }),
        RunEvent::Note { text } => json!({"reason": "note", "text": text}),
        RunEvent::TestStarted { name } => json!({"reason": "test-started", "name": name}),
        RunEvent::TestOutput { name, bytes } => json!({
            "reason": "test-output",
            "name": name,
            "text": String::from_utf8_lossy(bytes),
        }),
        RunEvent::ShellOpened {
            name,
            cause,
            output,
        } => json!({
            "reason": "shell-opened", "name": name, "cause": cause, "output": output,
        }),
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
    unread(&value)
}

/// Serialises a line without anything that a CI system takes for a command. GitHub's runner accepts
/// its older syntax, which contains `#`, anywhere in a line. JSON has no `#` outside strings.
fn unread(value: &Value) -> String {
    value.to_string().replace("##[", "\\u0023#[")
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
    use proptest::prelude::*;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::outcome::{Outcome, Phase};

    #[test]
    fn each_event_is_one_json_line() {
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
                platforms: run_report(Vec::new()).platforms,
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
            RunEvent::RunFinished(Box::new(run_report(vec![test]))),
        ];
        let lines: Vec<_> = events.iter().map(line).collect();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn whole_run_is_one_json_value() {
        assert_snapshot!(document(&crate::report::samples::run()).unwrap());
    }

    proptest! {
        #[test]
        fn json_line_reads_back_any_output(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'#'), Just(b'[')], 0..99)
        ) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let line = line(&RunEvent::TestOutput { name: "a::b::c".to_owned(), bytes });
            prop_assert!(!line.contains(['\n', '\r']) && !line.contains("##["));
            let value: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["text"].as_str(), Some(text.as_str()));
        }
    }
}
