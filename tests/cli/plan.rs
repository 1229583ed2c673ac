//! The build plan of every architecture is recorded in `tests/snapshots`, so that the diff shows
//! the effect of a changed recipe. Keys are omitted, because `images/images.lock` has those of the
//! images.

use std::fmt::Write as _;

use harness::{parts, root};
use serde_json::Value;

use super::xtask;

fn list(step: &Value, name: &str) -> Vec<String> {
    let values = step[name].as_array().unwrap();
    let texts = values.iter().map(|value| value.as_str().unwrap());
    texts.map(str::to_owned).collect()
}

/// Formats a step in at least three lines: its name, and each list that is not empty.
fn describe(step: &Value) -> String {
    let text = |name: &str| step[name].as_str().unwrap_or("all").to_owned();
    let mut described = format!(
        "{} {} ({}, {})\n",
        text("recipe"),
        text("version"),
        text("arch"),
        text("product")
    );
    for name in ["sources", "patches", "inputs", "files", "frozen"] {
        let values = list(step, name);
        if !values.is_empty() {
            writeln!(described, "    {name}: {}", values.join(" ")).unwrap();
        }
    }
    described
}

#[test]
fn plan_of_every_architecture_is_as_recorded() {
    let store = tempfile::tempdir().unwrap();
    let entries = std::fs::read_dir(root().join("images")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let targets = paths.filter(|path| path.is_dir() && path.with_extension("toml").exists());
    for target in targets {
        let arch = target.file_name().unwrap().to_str().unwrap();
        let args = [
            "images",
            "--plan",
            "--message-format",
            "json",
            "--arch",
            arch,
        ];
        let (code, stdout, stderr) = parts(xtask(store.path()).args(args).output().unwrap());
        assert_eq!(code, 0, "{stderr}");
        let lines = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let steps = lines.filter(|line: &Value| line["reason"] == "step");
        let plan: String = steps.map(|step| describe(&step)).collect();
        insta::assert_snapshot!(format!("plan_{arch}"), plan);
    }
}
