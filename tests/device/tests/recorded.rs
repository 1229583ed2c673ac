//! Runs device tests that need the `qtest` accelerator against sessions that were recorded on a
//! QEMU with it.
//!
//! Distributions build QEMU without that accelerator.
//! `tests/device/recorded/<device>-<test>@<machine>` is the `qtest.log` of such a test.
//! docs/device-tests.md describes how to renew it.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use device_tests::{machines, tests};
use host::scratch::Scratch;
use host::test_time::TestClock;
use qemu::Facts;
use qtest::session::Spec;
use qtest::{Bench, Failure, Session, Test};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded")
}

/// Runs a test against its recording.
fn play(name: &str, recording: &Utf8Path) -> Result<(), Failure> {
    let (test, machine) = name.split_once('@').unwrap();
    let is_named = |it: &&Test| format!("{}-{}", it.device, it.name) == test;
    let test = tests().find(is_named).unwrap();
    let mut machines = machines().unwrap().iter();
    let machine = machines
        .find(|it| it.name == machine && it.provides(test.needs))
        .unwrap();
    let facts = Facts {
        accels: ["qtest".to_owned()].into(),
        ..Facts::default()
    };
    let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "recorded").unwrap();
    let binary = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded-qemu");
    let spec = Spec {
        binary: Utf8Path::new(binary),
        facts: &facts,
        run_dir: scratch.path(),
        arguments: &["-recording".to_owned(), recording.to_string()],
        wait: Duration::from_secs(60),
        clock: &TestClock::default(),
        memory: None,
    };
    (test.body)(&mut Bench::new(Session::start(&spec).unwrap(), machine))
}

#[test]
fn recorded_sessions_satisfy_their_tests() {
    let mut count = 0;
    for entry in fs_err::read_dir(folder()).unwrap() {
        let path = Utf8PathBuf::try_from(entry.unwrap().path()).unwrap();
        let name = path.file_name().unwrap();
        play(name, &path).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        count += 1;
    }
    assert!(count >= 20, "{count} recordings");
}

/// A device with other answers fails the test. Each row changes one reply of a recording.
#[test]
fn other_replies_fail_tests() {
    let scratch = tempfile::tempdir().unwrap();
    let check = |name: &str, after: &str, reply: &str, what: &str| {
        let text = fs_err::read_to_string(folder().join(name)).unwrap();
        let at = text.rfind(after).unwrap() + after.len();
        let rest = text[at..].split_once('\n').unwrap().1;
        let changed = Utf8PathBuf::try_from(scratch.path().join(name)).unwrap();
        fs_err::write(&changed, format!("{}{reply}\n{rest}", &text[..at])).unwrap();
        let failure = play(name, &changed).unwrap_err();
        assert!(
            matches!(&failure, Failure::Unexpected { what: found, .. } if found.contains(what)),
            "{name}: {failure}"
        );
    };
    let register_c = "> outb 0x70 0xc\n< OK\n> inb 0x71\n< OK ";
    let alarm = format!("OK 3000000000\n{register_c}");
    check("rtc-raises-alarm@q35", &alarm, "0x0080", "of the alarm");
    check("rtc-raises-alarm@pc", register_c, "0x0020", "flags after");
    let update = format!("OK 3000000000\n{register_c}");
    check(
        "rtc-requests-interrupt-each-update@q35",
        &update,
        "0x0000",
        "updates",
    );
    check(
        "rtc-follows-the-clock@q35",
        "> inb 0x71\n< OK ",
        "0x0034",
        "seconds and minutes",
    );
    check(
        "i8254-interrupts-each-period@q35",
        "< IRQ lower 0\n< IRQ ",
        "raise 1",
        "interrupts",
    );
    check(
        "hpet-comparator-fires-once@q35",
        "OK 9000\n> readl 0xfed00020\n< OK ",
        "0x0000000000000001",
        "before its time",
    );
    check(
        "gicv2-pends-a-driven-line@virt",
        " 9 1\n< OK\n> readl 0x8000204\n< OK ",
        "0x0000000000000000",
        "while it is driven",
    );
    check(
        "pl031-matches-at-its-time@virt",
        "> readl 0x9010018\n< OK ",
        "0x0000000000000000",
        "at the match",
    );
    check(
        "pl061-shows-its-inputs@virt",
        "> readl 0x9030418\n< OK ",
        "0x0000000000000000",
        "interrupt status",
    );
    check(
        "m48t59-time-follows-the-clock@40p",
        "0xfb\n< OK\n> writeb 0x80000075 0x1f\n< OK\n> readb 0x80000077\n< OK ",
        "0x0000000000000012",
        "hours",
    );
}
