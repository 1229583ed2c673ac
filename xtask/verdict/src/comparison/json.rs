//! A comparison as JSON lines with a `reason`, like those of a run.

use serde_json::{Value, json};

use super::{CompareEvent, Comparison, Pair};
use crate::event::SCHEMA;

/// The line for an event, without its newline.
#[must_use]
pub fn line(event: &CompareEvent) -> String {
    let value = match event {
        CompareEvent::Started {
            seed,
            total,
            run_dir,
            by_start,
            old,
            new,
            platforms: [on_old, on_new],
        } => json!({
            "reason": "comparison-started",
            "schema": SCHEMA,
            "seed": seed,
            "total": total,
            "run_dir": run_dir,
            "by_start": by_start,
            "old": old,
            "new": new,
            "platforms": {"old": on_old, "new": on_new},
        }),
        CompareEvent::Paired(pair) => paired(pair),
        CompareEvent::Finished(comparison) => finished(comparison),
    };
    value.to_string()
}

fn paired(pair: &Pair) -> Value {
    let subtests = pair.subtests().into_iter();
    let subtests: Vec<_> = subtests
        .map(|it| json!({"name": it.name, "old": it.old, "new": it.new}))
        .collect();
    json!({
        "reason": "test-compared",
        "name": pair.new.name,
        "verdict": pair.verdict().label(),
        "old": pair.old,
        "new": pair.new,
        "subtests": subtests,
    })
}

fn finished(comparison: &Comparison) -> Value {
    let verdicts = comparison.verdicts().into_iter();
    let verdicts: serde_json::Map<_, _> = verdicts
        .map(|(name, verdict)| (name.to_owned(), verdict.label().into()))
        .collect();
    let timings = comparison.timings().into_iter();
    let timings: Vec<_> = timings
        .map(|it| json!({"name": it.name, "old_ms": it.old_ms, "new_ms": it.new_ms, "rounds": it.rounds}))
        .collect();
    json!({
        "reason": "comparison-finished",
        "verdicts": verdicts,
        "timings": timings,
        "duration_ms": comparison.duration_ms,
        "exit_code": comparison.exit_code(),
        "interrupted": comparison.interrupted,
        "run_dir": comparison.run_dir,
    })
}
