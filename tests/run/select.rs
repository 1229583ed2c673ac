//! Test selection on the command line. No test is run here.

use harness::qemu::arch;
use harness::repo::TestRepo;

const TEST: &str = "in_guest() {\n    true\n}\n";

fn repo() -> TestRepo {
    let hotplug = format!("# Plugs.\n#: groups = [\"hotplug\"]\n{TEST}");
    let nvme = format!("# Has a disk.\n#: requires.devices = [\"nvme\"]\n{TEST}");
    let plain = format!("# Boots.\n{TEST}");
    TestRepo::with(&[
        ("block/nvme", &nvme),
        ("block/plug", &hotplug),
        ("boot/true", &plain),
        ("net/plug", &hotplug),
    ])
}

/// The listed names, without their architecture.
fn listed(repo: &TestRepo, arch: &str, flags: &[&str]) -> Vec<String> {
    let output = repo.run(&[&["test", "--list", "--arch", arch], flags].concat());
    assert_eq!(output.code, 0, "{flags:?}: {}", output.stderr);
    let prefix = format!("{arch}::");
    let name = |line: &str| line.strip_prefix(&prefix).unwrap().to_owned();
    output.stdout.lines().map(name).collect()
}

#[test]
fn expression_selects_and_narrows_filters() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let elsewhere = format!("not arch({arch}) or test(={arch}::boot::true)");
    for (flags, expect) in [
        (
            &["-E", "group(hotplug)"][..],
            &["block::plug", "net::plug"][..],
        ),
        (
            &["-E", "group(hotplug) and not test(/^.*::net::/)"],
            &["block::plug"],
        ),
        (
            &["-E", "device(nvme) | test(#*true)"],
            &["block::nvme", "boot::true"],
        ),
        (
            &["-E", "device(nvme)", "-E", "test(true)"],
            &["block::nvme", "boot::true"],
        ),
        (&["block", "-E", "all() - device(nvme)"], &["block::plug"]),
        (&["-E", &elsewhere], &["boot::true"]),
    ] {
        assert_eq!(listed(&repo, &arch, flags), expect, "{flags:?}");
    }
}

#[test]
fn wrong_expression_is_shown_before_running() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    for (text, expect) in [
        ("group(hotplug", &["in -E", "^"][..]),
        ("grup(hotplug)", &["in -E", "did you mean `group`?"]),
        ("group(hotplgu)", &["in -E", "hotplug"]),
        ("test(/(/)", &["in -E", "^"]),
        ("", &["in -E"]),
    ] {
        let output = repo.run(&["test", "--arch", &arch, "-E", text]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{text}");
        for part in expect {
            assert!(output.stderr.contains(part), "{text}: {}", output.stderr);
        }
    }
    assert!(!repo.runs().exists());
}

#[test]
fn partitions_cover_all_tests_and_are_stable() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let parts = |how: &str| -> Vec<Vec<String>> {
        let part = |part| {
            let output = repo.run(&[
                "test",
                "--list",
                "--arch",
                &arch,
                "--partition",
                &format!("{how}:{part}/2"),
            ]);
            // A part of few tests may be empty.
            assert!([0, 4].contains(&output.code), "{}", output.stderr);
            output.stdout.lines().map(str::to_owned).collect()
        };
        (1..=2).map(part).collect()
    };
    for how in ["slice", "hash"] {
        let mut joined = parts(how).concat();
        joined.sort();
        assert_eq!(joined.len(), 4, "{how}: {joined:?}");
        joined.dedup();
        assert_eq!(joined.len(), 4, "{how}: a test is in two parts");
    }
    let before = parts("hash");
    repo.write("aaa/first.sh", &format!("# Is new.\n{TEST}"));
    for (before, after) in before.iter().zip(parts("hash")) {
        let stayed = before.iter().all(|name| after.contains(name));
        assert!(stayed, "{before:?} became {after:?}");
    }
}

#[test]
fn broken_file_stops_only_runs_selecting_it() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    repo.write("net/new.sh", "");
    repo.write("net/two words.sh", TEST);
    repo.write("top.sh", TEST);
    let output = repo.run(&["test", "--list", "--arch", &arch, "boot"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stdout, format!("{arch}::boot::true\n"));
    for expect in [
        "warning: cannot run `net::new`: ",
        "warning: cannot run `net::two words`: invalid name of a test",
        "warning: ignored guest-tests/top.sh: ",
    ] {
        assert!(output.stderr.contains(expect), "{}", output.stderr);
    }
    for filter in [&["net"][..], &["guest-tests/net/new.sh"], &[]] {
        let output = repo.run(&[&["test", "--list", "--arch", &arch], filter].concat());
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (2, ""),
            "{}",
            output.stderr
        );
        output.stderr_has(["new.sh"]);
    }
}

#[test]
fn skips_are_decided_without_booting() {
    let Some(arch) = arch() else { return };
    let needs = |what: &str| format!("# Needs something.\n#: requires.{what}\n{TEST}");
    let repo = TestRepo::with(&[
        ("a/device", &needs("devices = [\"lm8323\"]")),
        ("a/plain", &format!("# Boots.\n{TEST}")),
        ("a/tool", &needs("tools = [\"no-such-tool\"]")),
    ]);
    let expect = [
        "a::device: QEMU lacks the device `lm8323`",
        "a::plain",
        "a::tool: `no-such-tool` is not installed on the host",
    ];
    assert_eq!(listed(&repo, &arch, &["--skips"]), expect);
    let names = ["a::device", "a::plain", "a::tool"];
    assert_eq!(listed(&repo, &arch, &[]), names);
    assert!(!repo.runs().exists());
}
