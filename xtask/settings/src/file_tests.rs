use std::time::Duration;

use super::*;

fn base() -> Base<'static> {
    Base {
        root: Utf8Path::new("/kiln"),
        home: Some(Utf8Path::new("/home/me")),
    }
}

fn read(text: &str) -> Result<File, Vec<Diagnostic>> {
    File::read("kiln.toml".into(), text, base())
}

/// Formats location, title, label and help of each diagnostic.
fn shown(found: &[Diagnostic]) -> String {
    let one = |fault: &Diagnostic| {
        format!(
            "{fault}\n  at: {:?}\n  label: {}\n",
            &fault.text[fault.span.clone()],
            fault.label
        )
    };
    found.iter().map(one).collect()
}

#[test]
fn every_key_is_read() {
    let file = read(
        r#"
arch = ["x", "y"]
qemu = "../qemu/build"
jobs = 2
retries = 3
timeout-factor = 2
seed = 4
reports = { junit = "out/junit.xml", html = "~/out.html" }

[[override]]
filter = "group(hotplug)"
timeout = "2m"
retries = 5
unstable = "see https://example.org/1"
skip = "no PCI"
"#,
    )
    .unwrap();
    let layer = &file.defaults.layer;
    assert_eq!(layer.arch.as_ref().unwrap().value, ["x", "y"]);
    assert_eq!(
        layer.qemu.as_ref().unwrap().value.as_str(),
        "/kiln/../qemu/build"
    );
    assert_eq!(layer.jobs.as_ref().unwrap().value, 2);
    assert_eq!(layer.retries.as_ref().unwrap().value, 3);
    assert_eq!(
        layer.timeout_factor.as_ref().unwrap().value.to_bits(),
        2.0_f64.to_bits()
    );
    assert_eq!(layer.seed.as_ref().unwrap().value, 4);
    let reports = layer.reports.as_ref().unwrap();
    let files: Vec<_> = reports.value.values().map(|file| file.as_str()).collect();
    assert_eq!(files, ["/home/me/out.html", "/kiln/out/junit.xml"]);
    assert_eq!(reports.origin.to_string(), "kiln.toml:8");
    assert_eq!(file.defaults.rules[0].location.to_string(), "kiln.toml:11");
    let changes = Changes {
        timeout: Some(Duration::from_secs(120)),
        retries: Some(5),
        unstable: Some("see https://example.org/1".to_owned()),
        skip: Some("no PCI".to_owned()),
    };
    assert_eq!(file.defaults.rules[0].effect.changes, changes);
}

#[test]
fn profile_and_line_are_part_of_the_origin() {
    let file = read("jobs = 1\n[profile.ci]\nretries = 1\n[profile.ci.reports]\ntap = \"t\"\n");
    let ci = &file.unwrap().profiles["ci"].layer;
    let retries = ci.retries.as_ref().unwrap();
    assert_eq!(retries.origin.to_string(), "kiln.toml:3 (profile ci)");
    let reports = ci.reports.as_ref().unwrap();
    assert_eq!(reports.origin.to_string(), "kiln.toml:5 (profile ci)");
}

#[test]
fn wrong_text_is_reported_at_its_line() {
    let mut all = String::new();
    for text in [
        "retires = 1\njob = 2\n",
        "[profile.ci]\ntimeout_factor = 2\n",
        "[profil.ci]\nretries = 1\n",
        "jobs = 0\nretries = -1\nseed = -1\n",
        "jobs = \"two\"\n",
        "timeout-factor = 0\n",
        "timeout-factor = nan\n",
        "arch = []\nqemu = \"\"\n",
        "reports = { junti = \"a\" }\n",
        "[profile.a.profile.b]\njobs = 1\n",
        "[[override]]\ntimeout = \"1m\"\n",
        "[[override]]\nfilter = \"all()\"\n",
        "[[override]]\nfilter = \"all()\"\ntimeot = \"1m\"\n",
        "[[override]]\nfilter = \"group(a) an arch(x)\"\nretries = 1\n",
        "[[override]]\nfilter = \"groop(a)\"\nretries = 1\n",
        "[[override]]\nfilter = 'hotplug'\nretries = 1\n",
        "[[override]]\nfilter = \"test(\\\"a\"\nretries = 1\n",
        "[[override]]\nfilter = \"all()\"\ntimeout = \"0s\"\nskip = \" \"\nunstable = \"flaky\"\n",
        "[[override]]\nfilter = \"all()\"\ntimeout = \"1 minute\"\nretries = -1\n",
        "jobs = \n",
    ] {
        let found = read(text).unwrap_err();
        all.push_str(text);
        all.push_str(&shown(&found));
        all.push('\n');
    }
    insta::assert_snapshot!(all);
}

#[test]
fn home_without_a_value_is_an_error() {
    let base = Base {
        home: None,
        ..base()
    };
    let found = File::read("kiln.toml".into(), "qemu = \"~/qemu\"", base).unwrap_err();
    assert_eq!(found[0].title, "`~` cannot be resolved: `HOME` is not set");
}

#[test]
fn unknown_names_are_located() {
    let text = "arch = [\"x\"]\n[profile.ci]\narch = [\"x\", \"yy\"]\n\
                [[profile.ci.override]]\nfilter = \"test(a) and group(hotplgu)\"\nretries = 1\n";
    let file = read(text).unwrap();
    let subject = Subject {
        name: "x::a::b",
        arch: "x",
        groups: vec!["hotplug"],
        ..Subject::default()
    };
    insta::assert_snapshot!(
        shown(&file.unknown_arches(&["x", "y"])) + &shown(&file.unknown_names(&[subject])),
        @r#"
    kiln.toml:3:14: unknown architecture `yy` (did you mean `y`? architectures: `x`, `y`)
      at: "\"yy\""
      label: `images/yy.toml` does not exist
    kiln.toml:5:29: no test has the group `hotplgu` (did you mean `hotplug`?)
      at: "hotplgu"
      label: selects nothing
    "#
    );
}
