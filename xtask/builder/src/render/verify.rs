//! Renders the comparison of rebuilt images with the promised ones: the verdict, and the files of a
//! release.

use std::time::Duration;

use plan::lock::LockedFile;
use serde_json::{Value, json};
use supply::rebuilt::{self, RebuiltFile};

use xtask::output::{Color, Style};
use xtask::render::quantity;

/// Whether a rebuilt image or file matches.
pub(crate) fn verdict(style: Style, is_equal: bool) -> String {
    if is_equal {
        style.paint(Color::Green, "equal")
    } else {
        style.paint(Color::Red, "differs")
    }
}

/// One line per file, with the location of the difference below it.
pub(crate) fn table(style: Style, rows: &[RebuiltFile]) -> String {
    let widest = |of: fn(&RebuiltFile) -> &str| rows.iter().map(|row| of(row).len()).max();
    let arch = widest(|row| &row.arch).unwrap_or(0).max(4);
    let file = widest(|row| &row.name).unwrap_or(0).max(4);
    let heading = format!(
        "{:<arch$}  {:<file$}  {:<12}  built",
        "arch", "file", "published"
    );
    let mut lines = vec![style.paint(Color::Bold, &heading)];
    for row in rows {
        let short = |file: Option<LockedFile>| {
            file.map_or_else(|| "absent".to_owned(), |file| file.sha256.short())
        };
        let (published, built) = (short(row.promised), short(row.rebuilt));
        lines.push(format!(
            "{:<arch$}  {:<file$}  {published:<12}  {built:<12}  {}",
            row.arch,
            row.name,
            verdict(style, row.is_equal())
        ));
        let difference = row.difference.iter();
        lines.extend(difference.map(|text| format!("    published / built: {text}")));
    }
    lines.join("\n")
}

/// The result in one line.
pub(crate) fn summary(release: &str, rows: &[RebuiltFile], took: Duration) -> String {
    let differ = rows.iter().filter(|row| !row.is_equal()).count();
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
pub(crate) fn line(row: &RebuiltFile) -> Value {
    json!({
        "reason": "verify-file", "arch": row.arch, "file": row.name,
        "published": row.promised.map(|file| file.sha256), "built": row.rebuilt.map(|file| file.sha256),
        "equal": row.is_equal(), "difference": row.difference,
    })
}

/// The summary for programs.
pub(crate) fn summary_line(release: &str, rows: &[RebuiltFile], took: Duration) -> Value {
    json!({
        "reason": "verify-release", "release": release, "files": rows.len(),
        "equal": rebuilt::is_equal(rows), "seconds": took.as_secs(),
    })
}
