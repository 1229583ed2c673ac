//! Releases as people look at them: what is published, what is wrong with a tree, what is in an image.

use std::fmt::Write as _;

use publish::check::{Finding, Report};
use publish::legal::Row;
use publish::release::PublishedFile;
use serde_json::{Value, json};

use super::quantity;

/// One file of a release, before it is published.
pub(crate) fn planned(file: &PublishedFile) -> String {
    let (digest, size) = (file.content.digest(), file.content.size());
    format!(
        "{:<10}  {:>9}  {}  {}",
        file.phase,
        quantity::bytes(size),
        digest.short(),
        file.path
    )
}

/// The same for programs.
pub(crate) fn planned_line(file: &PublishedFile) -> Value {
    json!({
        "reason": "publish-file", "phase": file.phase.to_string(), "path": file.path,
        "size": file.content.size(), "sha256": file.content.digest(),
    })
}

/// Something that is wrong with a tree.
pub(crate) fn finding(finding: &Finding) -> String {
    format!(
        "`{}` {}\n    {}",
        finding.path,
        finding.wrong,
        finding.wrong.hint()
    )
}

/// The same for programs.
pub(crate) fn finding_line(finding: &Finding) -> Value {
    json!({
        "reason": "mirror-finding", "path": finding.path, "what": finding.wrong.to_string(),
        "hint": finding.wrong.hint(),
    })
}

/// What a walk came to.
pub(crate) fn walked(report: &Report) -> String {
    let releases = match &report.releases[..] {
        [] => "nothing is published".to_owned(),
        names => names.join(", "),
    };
    format!(
        "index {}: {releases}; {} files, {}",
        report.serial,
        report.files,
        quantity::bytes(report.bytes)
    )
}

/// What is in the images, a row for each part.
pub(crate) fn legal(rows: &[Row]) -> String {
    let mut text = String::new();
    for (contained, title) in [
        (true, "In the images"),
        (false, "In the tools that built them"),
    ] {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{title}:");
        for row in rows.iter().filter(|row| row.contained == contained) {
            let name = format!("{} {}", row.what, row.version);
            let _ = writeln!(text, "  {name:<24}  {}", row.license);
            let _ = writeln!(text, "      {}", row.source);
            for patch in &row.patches {
                let _ = writeln!(text, "      {patch}");
            }
            for place in &row.places {
                let _ = writeln!(text, "      from {place}");
            }
        }
    }
    text.trim_end().to_owned()
}

/// One part for programs.
pub(crate) fn legal_line(row: &Row) -> Value {
    let mut line = serde_json::to_value(row).unwrap_or_default();
    line["reason"] = json!("legal");
    line
}
