//! `kiln.toml`: its effect on a run, and its errors.

use harness::qemu::arch;
use harness::repo::TestRepo;

const TEST: &str = "in_guest() {\n    true\n}\n";

fn repo(settings: &str) -> TestRepo {
    let hotplug = format!("# Plugs.\n#: groups = [\"hotplug\"]\n{TEST}");
    let plain = format!("# Boots.\n{TEST}");
    let repo = TestRepo::with(&[("net/plug", &hotplug), ("boot/true", &plain)]);
    std::fs::write(repo.repository().join("kiln.toml"), settings).unwrap();
    repo
}

#[test]
fn wrong_settings_are_shown_before_running() {
    let Some(arch) = arch() else { return };
    let repo = repo("");
    let file = repo.repository().join("kiln.toml");
    let rule = |filter: &str| format!("[[override]]\nfilter = \"{filter}\"\nretries = 1\n");
    for (text, flags, expect) in [
        (
            "retires = 1\n".to_owned(),
            &[][..],
            &["kiln.toml:1:1", "did you mean `retries`?"][..],
        ),
        (rule("grup(a)"), &[], &["kiln.toml:2:11", "`group`"]),
        (
            rule("group(hotplgu)"),
            &[],
            &["kiln.toml:2:17", "`hotplug`"],
        ),
        (
            "[profile.ci]\narch = [\"m68\"]\n".to_owned(),
            &[],
            &["kiln.toml:2:9", "unknown architecture `m68`"],
        ),
        (
            "[profile.ci]\n".to_owned(),
            &["--profile", "cii"],
            &["error: unknown profile `cii`: ", "help: --profile ci"],
        ),
        (
            String::new(),
            &["--profile", "ci"],
            &["`kiln.toml` defines no profile", "help: add `[profile.ci]`"],
        ),
    ] {
        std::fs::write(&file, &text).unwrap();
        for command in [&["config"][..], &["test", "--arch", &arch, "--offline"]] {
            let output = repo.run(&[command, flags].concat());
            assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{text}");
            for part in expect {
                assert!(output.stderr.contains(part), "{text}: {}", output.stderr);
            }
        }
    }
    assert!(!repo.runs().exists());
}

#[test]
fn user_file_is_below_the_checkout_file() {
    let repo = repo("retries = 1\n");
    let folder = repo.path().join("config/kiln");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("kiln.toml"), "retries = 2\njobs = 3\n").unwrap();
    let output = repo.run(&["config", "--message-format=json"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let value = |key: &str| {
        let lines = output.stdout.lines();
        let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let line = lines.find(|line| line["key"] == key).unwrap();
        (line["value"].clone(), line["file"].clone())
    };
    assert_eq!(value("retries"), (1.into(), "kiln.toml".into()));
    let user = folder.join("kiln.toml");
    assert_eq!(value("jobs"), (3.into(), user.to_str().unwrap().into()));
    assert!(value("seed").0.is_null());
}

#[test]
fn overrides_and_profile_decide_a_run() {
    let Some(arch) = arch() else { return };
    let repo = repo(
        "[[override]]\nfilter = \"group(hotplug)\"\nskip = \"no slots\"\n\
         [profile.ci]\nseed = 7\ntimeout-factor = 4\n\
         [[profile.ci.override]]\nfilter = \"test(true)\"\nretries = 1\n\
         unstable = \"see https://example.org/1\"\n",
    );
    repo.write("boot/true.sh", "in_guest() {\n    false\n}\n");
    let output = repo.run(&["test", "--offline", "--arch", &arch, "--list", "--skips"]);
    let lines = format!("{arch}::boot::true\n{arch}::net::plug: no slots (kiln.toml:2)\n");
    assert_eq!(
        (output.code, output.stdout),
        (0, lines),
        "{}",
        output.stderr
    );
    let (code, events) = repo.events(&arch, &["--profile=ci", "--accel=tcg"]);
    let finished = |name: &str| {
        let name = format!("{arch}::{name}");
        let is_it = |event: &&serde_json::Value| {
            event["reason"] == "test-finished" && event["name"] == name.as_str()
        };
        events.iter().find(is_it).unwrap().clone()
    };
    let plug = finished("net::plug").to_string();
    assert!(plug.contains("no slots (kiln.toml:2)"), "{plug}");
    let boot = finished("boot::true");
    assert_eq!(boot["seed"], 7, "{boot}");
    assert_eq!(boot["failed_tries"].as_array().unwrap().len(), 1);
    assert_eq!(boot["unstable"], "see https://example.org/1");
    let again = boot["reproduce"].as_str().unwrap();
    assert!(
        again.ends_with("--profile=ci --timeout-factor=4 --accel=tcg --start=cold"),
        "{again}"
    );
    // An unstable test does not fail the run.
    assert_eq!(code, 0);
}
