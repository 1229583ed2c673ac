//! A verified release: each published file next to the one that its source gives.

use std::time::Duration;

use publish::sameness::Sameness;
use serde_json::{Value, json};

use xtask::output::{Color, Style};
use xtask::render::quantity;

/// A line for each file; below one that differs, where.
pub(crate) fn table(style: Style, rows: &[Sameness]) -> String {
    let widest = |of: fn(&Sameness) -> &str| rows.iter().map(|row| of(row).len()).max();
    let arch = widest(|row| &row.arch).unwrap_or(0).max(4);
    let file = widest(|row| &row.file).unwrap_or(0).max(4);
    let heading = format!(
        "{:<arch$}  {:<file$}  {:<12}  built",
        "arch", "file", "published"
    );
    let mut lines = vec![style.paint(Color::Bold, &heading)];
    for row in rows {
        let built = row
            .built
            .map_or("absent".to_owned(), |digest| digest.short());
        let (color, word) = if row.same() {
            (Color::Green, "equal")
        } else {
            (Color::Red, "differs")
        };
        lines.push(format!(
            "{:<arch$}  {:<file$}  {:<12}  {built:<12}  {}",
            row.arch,
            row.file,
            row.published.short(),
            style.paint(color, word)
        ));
        let difference = row.difference.iter();
        lines.extend(difference.map(|text| format!("    published / built: {text}")));
    }
    lines.join("\n")
}

/// One line that says what came of it.
pub(crate) fn summary(release: &str, rows: &[Sameness], took: Duration) -> String {
    let differ = rows.iter().filter(|row| !row.same()).count();
    let time = quantity::time(took);
    match differ {
        0 => format!(
            "{release}: all {} files match a build from its source; verified in {time}",
            rows.len()
        ),
        _ => format!(
            "{release}: {differ} of {} files differ from a build of its source; found in {time}",
            rows.len()
        ),
    }
}

/// One file for programs.
pub(crate) fn line(row: &Sameness) -> Value {
    json!({
        "reason": "verify-file", "arch": row.arch, "file": row.file, "published": row.published,
        "built": row.built, "equal": row.same(), "difference": row.difference,
    })
}

/// The summary for programs.
pub(crate) fn summary_line(release: &str, rows: &[Sameness], took: Duration) -> Value {
    json!({
        "reason": "verify-release", "release": release, "files": rows.len(),
        "equal": rows.iter().all(Sameness::same), "seconds": took.as_secs(),
    })
}
