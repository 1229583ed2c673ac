//! Renders releases: the published files, the problems of a tree, the components of an image.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use publish::check::{Finding, Report};
use publish::crates::Crate;
use publish::legal::Row;
use publish::release::PublishedFile;
use serde_json::{Value, json};

use xtask::render::quantity;

/// One file of a planned release.
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

/// A problem of a tree.
pub(crate) fn finding(finding: &Finding) -> String {
    format!(
        "`{}` {}\n    {}",
        finding.path,
        finding.defect,
        finding.defect.hint()
    )
}

/// The same for programs.
pub(crate) fn finding_line(finding: &Finding) -> Value {
    json!({
        "reason": "mirror-finding", "path": finding.path, "what": finding.defect.to_string(),
        "hint": finding.defect.hint(),
    })
}

/// The first few unreferenced files, if any.
pub(crate) fn strays(report: &Report) -> Option<String> {
    const SHOWN: usize = 5;
    let first: Vec<&str> = report
        .strays
        .iter()
        .map(String::as_str)
        .take(SHOWN)
        .collect();
    let more = report
        .strays
        .len()
        .checked_sub(SHOWN)
        .filter(|more| *more > 0);
    let more = more.map_or(String::new(), |more| format!(" and {more} more"));
    let first = first.join(", ");
    (!first.is_empty()).then(|| format!("files that belong to no release: {first}{more}"))
}

/// The summary of a check.
pub(crate) fn walked(report: &Report) -> String {
    let releases = match &report.releases[..] {
        [] => "no release".to_owned(),
        names => names.join(", "),
    };
    format!(
        "index {}: {releases}; {} files, {}",
        report.serial,
        report.files,
        quantity::bytes(report.bytes)
    )
}

/// The components of the images, one row each.
pub(crate) fn legal(rows: &[Row]) -> String {
    let mut text = String::new();
    for (contained, title) in [
        (true, "Contained in the images"),
        (false, "Used to build the images"),
    ] {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{title}:");
        for row in rows.iter().filter(|row| row.contained == contained) {
            let name = format!("{} {}", row.what, row.version);
            let _ = writeln!(text, "  {name:<24}  {}", row.license);
            if row.runtime {
                let _ = writeln!(
                    text,
                    "      only the runtime library that it links into programs"
                );
            }
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

/// The crates by licence, counted or listed.
pub(crate) fn crates(crates: &[Crate], named: bool) -> String {
    let mut licences: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in crates {
        let name = format!("{} {}", one.name, one.version);
        licences.entry(&one.license).or_default().push(name);
    }
    let mut text = String::from(
        "Crates of Kiln, in the source archive of a release (-v lists their names):\n",
    );
    for (licence, names) in &licences {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {:>4}  {licence}", names.len());
        for name in names.iter().filter(|_| named) {
            let _ = writeln!(text, "        {name}");
        }
    }
    text.trim_end().to_owned()
}

/// One crate for programs.
pub(crate) fn crate_line(one: &Crate) -> Value {
    json!({
        "reason": "legal", "what": one.name, "version": one.version, "license": one.license,
        "contained": false, "source": format!("vendor/{}-{}", one.name, one.version),
    })
}

/// One component for programs.
pub(crate) fn legal_line(row: &Row) -> Value {
    let mut line = serde_json::to_value(row).unwrap_or_default();
    line["reason"] = json!("legal");
    line
}
