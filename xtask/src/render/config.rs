//! Renders the effective settings for people and programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use settings::{Location, Origin, Resolved, Rule, Setting};

use super::quantity;

/// The text in the column of values for an unset key.
const DEFAULTS: [(&str, &str); 8] = [
    ("arch", "main targets"),
    ("qemu", "from PATH"),
    ("machines", "fast"),
    ("jobs", "number of processors"),
    ("retries", "0"),
    ("timeout-factor", "1"),
    ("seed", "random"),
    ("reports", "none"),
];

/// A setting.
struct Row {
    key: &'static str,
    value: Value,
    origin: Option<Origin>,
}

/// One line per value and per override, with its origin.
pub(crate) fn table(resolved: &Resolved) -> String {
    let rows = rows(resolved);
    let cells: Vec<[String; 3]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    };
    let (keys, values) = (width(0), width(1));
    let mut text = String::new();
    let profile = resolved.profile.as_deref().unwrap_or("none");
    let _ = writeln!(text, "profile: {profile}\n");
    for [key, value, origin] in &cells {
        let _ = writeln!(text, "{key:keys$}  {value:values$}  {origin}");
    }
    for rule in &resolved.rules {
        let _ = writeln!(text, "\noverride: {}  {}", rule.filter, rule.location);
        for (key, value) in changes(rule) {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    text
}

/// The same as JSON objects.
pub(crate) fn lines(resolved: &Resolved) -> Vec<Value> {
    let mut lines = vec![json!({"reason": "profile", "name": resolved.profile})];
    lines.extend(rows(resolved).into_iter().map(|row| {
        let mut line = json!({"reason": "setting", "key": row.key, "value": row.value});
        add_origin(&mut line, row.origin.as_ref());
        line
    }));
    lines.extend(resolved.rules.iter().map(|rule| {
        let changes = &rule.effect.changes;
        let timeout = changes.timeout.map(|time| time.as_secs_f64());
        let mut line = json!({
            "reason": "override", "filter": rule.filter, "timeout": timeout,
            "retries": changes.retries, "unstable": changes.unstable, "skip": changes.skip,
        });
        add_origin(&mut line, Some(&Origin::File(rule.location.clone())));
        line
    }));
    lines
}

fn rows(resolved: &Resolved) -> Vec<Row> {
    fn row<T>(key: &'static str, setting: Option<&Setting<T>>, value: impl Fn(&T) -> Value) -> Row {
        Row {
            key,
            value: setting.map_or(Value::Null, |setting| value(&setting.value)),
            origin: setting.map(|setting| setting.origin.clone()),
        }
    }
    let values = &resolved.values;
    vec![
        row("arch", values.arch.as_ref(), |arch| json!(arch)),
        row("qemu", values.qemu.as_ref(), |qemu| json!(qemu)),
        row("machines", values.machines.as_ref(), |machines| {
            json!(machines)
        }),
        row("jobs", values.jobs.as_ref(), |jobs| json!(jobs)),
        row("retries", values.retries.as_ref(), |retries| json!(retries)),
        row("timeout-factor", values.timeout_factor.as_ref(), |factor| {
            json!(factor)
        }),
        row("seed", values.seed.as_ref(), |seed| json!(seed)),
        row("reports", values.reports.as_ref(), |reports| json!(reports)),
    ]
}

fn cells(row: &Row) -> [String; 3] {
    let default = DEFAULTS.iter().find(|(key, _)| *key == row.key);
    let value = match &row.value {
        Value::Null => default.map_or("", |(_, text)| text).to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().filter_map(Value::as_str);
            items.collect::<Vec<_>>().join(", ")
        }
        Value::Object(files) => {
            let file = |(format, file): (&String, &Value)| {
                format!("{format}={}", file.as_str().unwrap_or_default())
            };
            files.iter().map(file).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let origin = row.origin.as_ref();
    let origin = origin.map_or("default".to_owned(), ToString::to_string);
    [row.key.to_owned(), value, origin]
}

/// The changes of an override in the syntax of the file.
fn changes(rule: &Rule) -> Vec<(&'static str, String)> {
    let changes = &rule.effect.changes;
    let all = [
        ("timeout", changes.timeout.map(quantity::time)),
        ("retries", changes.retries.map(|count| count.to_string())),
        ("unstable", changes.unstable.clone()),
        ("skip", changes.skip.clone()),
    ];
    let set = all.into_iter();
    set.filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Adds the origin of a value.
fn add_origin(line: &mut Value, origin: Option<&Origin>) {
    match origin {
        None => line["source"] = json!("default"),
        Some(Origin::Flag(name)) => {
            line["source"] = json!("flag");
            line["name"] = json!(name);
        }
        Some(Origin::Variable(name)) => {
            line["source"] = json!("environment");
            line["name"] = json!(name);
        }
        Some(Origin::File(Location {
            path,
            line: number,
            profile,
        })) => {
            line["source"] = json!("file");
            line["file"] = json!(path);
            line["line"] = json!(number);
            line["profile"] = json!(profile);
        }
    }
}

#[cfg(test)]
mod tests {
    use settings::{Base, File, Layer, Settings};

    use super::*;

    fn resolved() -> Resolved {
        let text = r#"
arch = ["one", "two"]
reports = { junit = "out.xml" }

[[override]]
filter = "group(hotplug)"
timeout = "2m"
skip = "no PCI"

[profile.ci]
retries = 1
timeout-factor = 2.5
"#;
        let base = Base {
            root: "/kiln".into(),
            home: None,
        };
        let file = File::read("kiln.toml".into(), text, base).unwrap();
        let settings = Settings::new(file, File::default(), Some("ci")).unwrap();
        let flags = Layer {
            jobs: Setting::of_flag("--jobs", Some(4)),
            ..Layer::default()
        };
        let environment = Layer {
            qemu: Setting::of_variable("KILN_QEMU", Some("/q".into())),
            ..Layer::default()
        };
        settings.resolve(flags, environment)
    }

    #[test]
    fn every_value_is_printed_with_its_origin() {
        insta::assert_snapshot!(table(&resolved()));
        let lines: Vec<String> = lines(&resolved()).iter().map(Value::to_string).collect();
        insta::assert_snapshot!("json", lines.join("\n"));
    }
}
