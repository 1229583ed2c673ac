//! Tests with a misbehaving QEMU binary: `faulty-qemu.sh` wraps the real one.

use std::process::Command;

use harness::qemu::{arch, binary};
use harness::repo::{TestRepo, expected, outcomes};
use harness::{root, unsuited};

/// A run of the faulty tests with the faulty binary.
fn faulty(repo: &TestRepo, arch: &str, args: &[&str]) -> Command {
    let name = binary(arch);
    let real = Command::new("sh")
        .args(["-c", "command -v \"$0\"", &name])
        .output()
        .unwrap();
    let script = root().join("tests/run/faulty-qemu.sh");
    let faulty = repo.path().join(&name);
    std::os::unix::fs::symlink(script, &faulty).unwrap();
    let mut command = repo.test(arch, &["--qemu", faulty.to_str().unwrap()]);
    command
        .env(
            "FAULTY_QEMU",
            String::from_utf8(real.stdout).unwrap().trim(),
        )
        .args(args);
    command
}

#[test]
fn each_qemu_fault_is_identified() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("faulty");
    let args = ["--accel=tcg", "--message-format=json"];
    let output = faulty(&repo, &arch, &args).output().unwrap();
    let expected = expected(&[
        (
            "asserts",
            "qemu-crashed: QEMU was killed by SIGABRT: qemu: ../hw/fault.c:7: realize: Assertion `dev->ok' failed.",
        ),
        ("complains", "failed: QEMU message flood: more than 64 MiB"),
        ("dies-late", "qemu-crashed: QEMU was killed by SIGSEGV"),
        ("exits", "lost-guest: QEMU exited with status 0"),
        ("mute", "timed-out: the test did not end within 4 s"),
        ("raves", "lost-guest: QEMU exited with status 0"),
        (
            "refuses",
            "qemu-did-not-start: QEMU exited with status 3 and printed nothing",
        ),
        (
            "sanitizer-at-start",
            "failed: expected QEMU to refuse to start, but it failed: SUMMARY: AddressSanitizer: heap-use-after-free ../hw/fault.c:7 in realize",
        ),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(outcomes(&output), expected, "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    for note in [
        "a record with a wrong checksum",
        "a line too long for a record",
    ] {
        assert!(stdout.contains(note), "{stdout}");
    }
    repo.assert_clean("after all");
}

/// The crashing shell stands in for QEMU, because only finding and reading its core dump matters.
#[test]
fn backtrace_of_a_crash_is_kept_on_request() {
    let Some(arch) = arch() else { return };
    let has_gdb = Command::new("gdb").arg("--version").output().is_ok();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !has_gdb || pattern.starts_with('|') || pattern.contains('/') {
        unsuited("gdb is missing, or core dumps do not go to the working directory");
        return;
    }
    let repo = TestRepo::of_area("faulty");
    let args = [
        "faulty::asserts",
        "--exact",
        "--accel=tcg",
        "--gdb-on-crash",
    ];
    let output = faulty(&repo, &arch, &args).output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown);
    let mut words = shown
        .split_whitespace()
        .skip_while(|word| *word != "backtrace");
    let log = words.find(|word| word.ends_with("/backtrace.log"));
    let log = log.unwrap_or_else(|| panic!("{shown}"));
    let backtrace = std::fs::read_to_string(log).unwrap();
    assert!(backtrace.contains("Thread 1"), "{backtrace}");
    repo.assert_clean("after the crash");
}

#[test]
fn broken_kvm_is_reported_and_avoided() {
    let Some(arch) = arch() else { return };
    let machine = Command::new("uname").arg("-m").output().unwrap().stdout;
    let native = String::from_utf8(machine).unwrap().trim() == arch;
    let opens = std::fs::OpenOptions::new().write(true).open("/dev/kvm");
    if !native || opens.is_err() {
        unsuited(&format!("it cannot try {arch} in KVM"));
        return;
    }
    let repo = TestRepo::of_area("faulty");
    let args = ["faulty::refuses", "--exact"];
    let output = faulty(&repo, &arch, &args)
        .env("FAULTY_KVM", "1")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("using TCG: KVM does not run the image on this host"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(100), "{stderr}");
    repo.assert_clean("after the trial");
}
