//! Black-box tests of `cargo xtask qtest`: replay, minimize and fuzz on the installed QEMU, and on
//! one that crashes.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{parts, root, skip};

const QEMU: &str = "qemu-system-x86_64";

/// A directory for files, and the path of the installed QEMU.
struct Setting {
    dir: tempfile::TempDir,
    qemu: PathBuf,
}

impl Setting {
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap();
        let qemu = std::env::split_paths(&path)
            .map(|dir| dir.join(QEMU))
            .find(|path| path.exists());
        let Some(qemu) = qemu else {
            skip(&format!("`{QEMU}` is not installed"));
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        Some(Self { dir, qemu })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Exit code, stdout and stderr of `cargo xtask qtest` with this QEMU.
    fn qtest(&self, qemu: &Path, args: &[&str]) -> (i32, String, String) {
        let mut command: Command = harness::xtask();
        command
            .env("KILN_STORE", self.path("store"))
            .env("REAL_QEMU", &self.qemu)
            .arg("qtest")
            .args(args)
            .arg("--qemu")
            .arg(qemu);
        parts(command.output().unwrap())
    }
}

/// The QEMU with two faults.
fn crashing() -> PathBuf {
    root().join("tests/qtest/crashing-qemu")
}

/// Enables memory of `edu`, maps it, and does more than a crash needs.
const STREAM: &str = "$ qemu-system-x86_64 -machine q35 -m 128M -device edu,addr=4\n\
    outl 0xcf8 0x80002010\noutl 0xcfc 0xe0000000\noutl 0xcf8 0x80002004\noutw 0xcfc 0x6\n\
    readl 0xe0000000\nwritel 0xe0000004 0x1\nwritel 0xe0000020 0x80\nreadl 0xe0000004\n\
    outb 0x70 0x4\ninb 0x71\nwritel 0xe0000008 0x5\noutb 0x64 0xd0\n";

#[test]
fn replay_compares_the_ending_with_the_expected_one() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let stream = setting.write("stream", STREAM);
    let stream = stream.to_str().unwrap();
    let check = |qemu: &Path, args: &[&str], code: i32, expect: &str| {
        let args = [&["replay", stream][..], args].concat();
        let (found, stdout, stderr) = setting.qtest(qemu, &args);
        assert_eq!(found, code, "{args:?}: {stdout}{stderr}");
        assert!(
            format!("{stdout}{stderr}").contains(expect),
            "{stdout}{stderr}"
        );
    };
    check(&setting.qemu, &[], 0, "survived");
    check(&setting.qemu, &["--expect", "assert"], 100, "survived");
    check(&crashing(), &["--expect", "assert"], 0, "edu->armed");
    check(&crashing(), &[], 100, "edu->armed");
}

/// A device that this QEMU lacks is not a finding. Addresses without a device are harmless.
#[test]
fn absent_devices_are_reported_or_survived() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let check = |stream: &str, code: i32, expect: &str| {
        let file = setting.write("stream", stream);
        let args = ["replay", file.to_str().unwrap()];
        let (found, stdout, stderr) = setting.qtest(&setting.qemu, &args);
        assert_eq!(found, code, "{stdout}{stderr}");
        let all = format!("{stdout}{stderr}");
        assert!(all.contains(expect), "{all}");
    };
    let lacking = STREAM.replace("-device edu", "-device no-such-device");
    check(
        &lacking,
        96,
        "'no-such-device' is not a valid device model name",
    );
    let unknown = STREAM.replace("-device edu,addr=4", "-no-such-option");
    check(&unknown, 96, "no-such-option: invalid option");
    let absent = STREAM.replace(" -device edu,addr=4", "");
    check(&absent, 0, "survived");
}

#[test]
fn recorded_replies_are_compared() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let stream = setting.write("stream", STREAM);
    let recorded = setting.path("recorded");
    let (stream, recorded) = (stream.to_str().unwrap(), recorded.to_str().unwrap());
    let record = ["replay", stream, "--record", recorded];
    assert_eq!(setting.qtest(&setting.qemu, &record).0, 0);
    let same = ["replay", recorded, "--expect", "same"];
    let (code, stdout, stderr) = setting.qtest(&setting.qemu, &same);
    assert_eq!(code, 0, "{stdout}{stderr}");
    // The complement of 1 in the liveness register.
    let text = std::fs::read_to_string(recorded).unwrap();
    let (right, wrong) = ("OK 0x00000000fffffffe", "OK 0x00000000ffffffff");
    assert!(text.contains(right), "{text}");
    std::fs::write(recorded, text.replace(right, wrong)).unwrap();
    let (code, stdout, stderr) = setting.qtest(&setting.qemu, &same);
    assert_eq!(code, 100, "{stdout}{stderr}");
}

/// The script is run by a shell, without Kiln. Its last command ends QEMU with status 43.
#[test]
fn exported_script_needs_only_qemu() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let text = STREAM.replacen(
        " -device",
        " -device isa-debug-exit,iobase=0xf4,iosize=0x4 -device",
        1,
    );
    let stream = setting.write("stream", &format!("{text}outb 0xf4 0x15\n"));
    let mut export = harness::xtask();
    let (code, script, stderr) = parts(
        export
            .args(["qtest", "export"])
            .arg(&stream)
            .output()
            .unwrap(),
    );
    assert_eq!(code, 0, "{stderr}");
    let path = setting.write("script", &script);
    let (code, stdout, stderr) = parts(Command::new("sh").arg(path).output().unwrap());
    assert_eq!(code, 43, "{stdout}{stderr}");
    let replies: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("OK 0x"))
        .collect();
    let expect = ["OK 0x00000000010000ed", "OK 0x00000000fffffffe"];
    assert_eq!(replies[..2], expect, "{stdout}");
    let again = setting.write("again", &script);
    let (code, stdout, stderr) = setting.qtest(&setting.qemu, &["replay", again.to_str().unwrap()]);
    assert_eq!(code, 100, "{stdout}{stderr}");
    let mut export = harness::xtask();
    let export = export.args(["qtest", "export", "--commands"]).arg(&stream);
    let (code, commands, _) = parts(export.output().unwrap());
    let first = commands.lines().next().unwrap();
    assert_eq!((code, first), (0, "outl 0xcf8 0x80002010"));
}

#[test]
fn minimize_keeps_the_commands_of_the_same_crash() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let stream = setting.write("stream", STREAM);
    let shorter = setting.path("shorter");
    let args = ["minimize", stream.to_str().unwrap(), "--output"];
    let args = [&args[..], &[shorter.to_str().unwrap()]].concat();
    let (code, stdout, stderr) = setting.qtest(&crashing(), &args);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("edu->armed"), "{stdout}");
    // The write to port 0x64 alone also crashes, but in another way.
    let text = std::fs::read_to_string(shorter).unwrap();
    let commands = text.lines().filter(|line| line.starts_with("> "));
    let commands: Vec<&str> = commands.collect();
    assert_eq!(
        commands,
        ["> writel 0xe0000020 0x80", "> writel 0xe0000008 0x5"],
        "{text}"
    );
    let survives = ["minimize", stream.to_str().unwrap()];
    let (code, _, stderr) = setting.qtest(&setting.qemu, &survives);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("survived"), "{stderr}");
}

#[test]
fn fuzz_finds_a_crash_and_writes_its_stream() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let findings = setting.path("findings");
    let args = "fuzz --device edu --machine q35 --seed 1 --for 1s --length 400 --output";
    let mut args: Vec<&str> = args.split(' ').collect();
    args.push(findings.to_str().unwrap());
    let (code, stdout, stderr) = setting.qtest(&crashing(), &args);
    assert_eq!(code, 100, "{stdout}{stderr}");
    assert!(stdout.contains("edu->armed"), "{stdout}");
    let file = std::fs::read_dir(&findings)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = file.path();
    let replay = ["replay", file.to_str().unwrap(), "--expect", "assert"];
    let (code, stdout, stderr) = setting.qtest(&crashing(), &replay);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, _, _) = setting.qtest(&setting.qemu, &["replay", file.to_str().unwrap()]);
    assert_eq!(code, 0);
}

/// The trace has one request behind the end of the disk, which the test reports by its number.
#[test]
fn disk_executes_the_trace_of_the_option() {
    let Some(setting) = Setting::find() else {
        return;
    };
    let run = |name: &str, trace: &str| {
        let trace = setting.write(name, trace);
        let mut command = harness::xtask();
        command
            .env("KILN_STORE", setting.path("store"))
            .args(["test", "--exact", "block-trace::virtio-disk-keeps-data@q35"])
            .args(["--arch", "x86_64", "--opt"])
            .arg(format!("trace={}", trace.display()))
            .arg("--runs")
            .arg(setting.path("runs"));
        parts(command.output().unwrap())
    };
    let event = "virtio_blk_handle_write vdev 0x1 req 0x2 sector";
    let (code, stdout, stderr) = run("good", &format!("{event} 8 nsectors 8\n"));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let behind = format!("{event} 8 nsectors 8\n{event} 2147483640 nsectors 9\n");
    let (code, stdout, stderr) = run("behind", &behind);
    assert_eq!(code, 100, "{stdout}{stderr}");
    assert!(
        format!("{stdout}{stderr}").contains("request 2 is on the disk"),
        "{stderr}"
    );
    let (code, stdout, stderr) = run("other", "no trace\n");
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stderr.contains("expected events such as"), "{stderr}");
}
