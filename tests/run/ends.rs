//! Tests that each way in which a test ends is identified, and that guest output is sanitised.

use harness::qemu::arch;
use harness::repo::{TestRepo, expected, outcomes};

/// Each test of `tests/evil` and its cause. `…` stands for text that varies.
const CAUSES: &[(&str, &str)] = &[
    ("bombs", "timed-out: the test did not end within 3 s"),
    (
        "closes-channel",
        "lost-guest: the guest powered itself off unexpectedly (call `leave poweroff` first)",
    ),
    (
        "deadlock",
        "failed: `in_host` and `in_guest` wait for each other: `in_host` for `moved`, `in_guest` for `written`",
    ),
    (
        "deadlock-until-limit",
        "timed-out: the test did not end within 4 s",
    ),
    (
        "eats-memory",
        "failed: guest-tests/evil/eats-memory.sh:5: `tail -n 1 /dev/zero`: killed by SIGKILL",
    ),
    ("fails", "failed: two and two are five"),
    ("fills", "passed"),
    ("floods", "passed"),
    (
        "floods-console",
        "timed-out: the test did not end within 1 s",
    ),
    (
        "floods-output",
        "timed-out: the test did not end within 1 s",
    ),
    (
        "forges",
        "failed: guest-tests/evil/forges.sh:31: `exit 1`: exit status 1",
    ),
    ("hang", "timed-out: the test did not end within 2 s"),
    (
        "hangs-on-host",
        "timed-out: the test did not end within 1 s",
    ),
    ("kills-qemu", "qemu-crashed: QEMU was killed by SIGSEGV"),
    (
        "leaves",
        "lost-guest: the guest powered itself off unexpectedly (call `leave poweroff` first)",
    ),
    (
        "leaves-background-guest",
        "failed: `in_host` ended without waiting for its `qemu` in the background: call `wait`",
    ),
    ("leaves-daemon", "passed"),
    (
        "lies",
        "failed: guest-tests/evil/lies.sh:15: `exit 1`: exit status 1",
    ),
    ("loses-qemu", "qemu-crashed: QEMU was killed by SIGKILL"),
    (
        "needs-missing-device",
        "skipped: QEMU lacks the device `lm8323`",
    ),
    (
        "no-init",
        "guest-panicked: Kernel panic - not syncing: VFS: Unable to mount root fs…",
    ),
    (
        "oops",
        "guest-oopsed: BUG: kernel NULL pointer dereference, address: 0000000000000000",
    ),
    (
        "panic",
        "guest-panicked: Kernel panic - not syncing: sysrq triggered crash",
    ),
    (
        "prints-a-gigabyte",
        "failed: output flood: more than 64 MiB",
    ),
    (
        "reboots-forever",
        "failed: the guest reboots more often than `reboots` allows",
    ),
    (
        "silent",
        "failed: guest-tests/evil/silent.sh:8: `test \"$x\" = 6`, expanded to `test 5 = 6`: exit status 1",
    ),
    (
        "silent-host",
        "failed: guest-tests/evil/silent-host.sh:7: `test -e . && test \"$(printf %s 5)\" = 6`, expanded to `… test 5 = 6 …`: exit status 1",
    ),
    ("skips", "skipped: there is no moon tonight"),
    ("taints", "guest-oopsed: tainted: kernel issued a warning"),
    (
        "waits",
        "failed: waited in vain for: test $(cat /sys/class/net/lo/ifindex) = 2, expanded to: test 1 = 2",
    ),
    ("wrong-option", "qemu-did-not-start: qemu-system-…"),
];

#[test]
fn each_exit_cause_is_identified() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let output = repo
        .test(&arch, &["--message-format=json"])
        .output()
        .unwrap();
    let mut expected = expected(CAUSES);
    if arch == "x86_64" {
        let reset = "lost-guest: the guest reset itself unexpectedly (call `leave reboot` first)";
        expected.insert("resets".to_owned(), reset.to_owned());
    }
    let mut ends = outcomes(&output);
    for (name, end) in &mut ends {
        // The rest of a message of QEMU or a kernel depends on its version.
        let start = expected.get(name).and_then(|end| end.strip_suffix('…'));
        if let Some(start) = start.filter(|start| end.starts_with(*start)) {
            *end = format!("{start}…");
        }
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(ends, expected, "{stderr}");
    assert_eq!(output.status.code(), Some(100));
    repo.assert_clean("after all");
}

#[test]
fn forged_records_are_refused_for_nonce_and_number() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let (code, events) = repo.events(&arch, &["evil::forges", "--exact", "--timeout-factor=4"]);
    let finished = events
        .iter()
        .find(|event| event["reason"] == "test-finished");
    let report = finished.unwrap();
    let cause = report["cause"].as_str().unwrap();
    assert!(code == 100 && cause.ends_with("exit status 1"), "{cause}");
    let notes = report["notes"].to_string();
    for (why, count) in [
        ("a record with a wrong nonce", 4),
        ("a record without a nonce", 4),
        ("a replayed record", 1),
        ("checksum", 0),
    ] {
        assert_eq!(notes.matches(why).count(), count, "{why}: {notes}");
    }
}

#[test]
fn mutual_wait_is_noted_at_the_limit() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let (code, events) = repo.events(&arch, &["evil::deadlock-until-limit", "--exact"]);
    let finished = events
        .iter()
        .find(|event| event["reason"] == "test-finished");
    let notes = finished.unwrap()["notes"].to_string();
    let note = "`in_host` and `in_guest` wait for each other: `in_host` for `moved`, `in_guest` for `written`";
    assert!(code == 100 && notes.contains(note), "{notes}");
}

#[test]
fn hang_before_init_ends_at_boot_limit() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("hung");
    let args = ["--message-format=json", "--timeout-factor=0.1"];
    let output = repo.test(&arch, &args).output().unwrap();
    let cause = outcomes(&output).remove("hang-in-boot").unwrap();
    let limit = "timed-out: the guest was not ready within ";
    assert!(cause.starts_with(limit), "{cause}");
    repo.assert_clean("after all");
}

#[test]
fn guest_output_cannot_drive_the_terminal() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let args = ["evil::floods", "--exact", "--no-capture"];
    let output = repo.test(&arch, &args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = [output.stdout, output.stderr].concat();
    assert!(!shown.contains(&0x1b) && !shown.contains(&0x07));
    assert!(String::from_utf8_lossy(&shown).contains("owned"));
}
