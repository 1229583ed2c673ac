use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::Utf8Path;
use host::process::Command;
use qemu::BootFiles;
use session::Handover;
use verdict::event::{Choice, Setup};

use super::*;

/// A QEMU that prints the content of `says` and exits with its first word.
const QEMU: &str =
    "#!/bin/sh\nread -r status < \"${0%/*}/says\"\ntail -n +2 \"${0%/*}/says\"\nexit $status\n";

struct Exported {
    dir: tempfile::TempDir,
}

impl Exported {
    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).unwrap()
    }

    /// Writes the script of a test with this expected end.
    fn new(ends: ExpectedEnd) -> Self {
        Self::of(ends, None)
    }

    /// Writes the script of a test, of kvm-unit-tests if the source of its status is given.
    fn of(ends: ExpectedEnd, unit: Option<&'static str>) -> Self {
        let exported = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let root = exported.path();
        for (name, text) in [
            ("vmlinux", "a kernel"),
            ("cpio", "an archive"),
            ("tree", "a device tree"),
            ("scratch0", "it's data"),
        ] {
            fs_err::write(root.join(name), text).unwrap();
        }
        let subject = |report| Subject {
            report,
            ends,
            unit,
            reboots: 0,
            binary: "qemu-system-x",
            notices: Vec::new(),
        };
        let script = script(&recorder(root, 1), &subject(&report())).unwrap();
        fs_err::write(root.join("script"), script).unwrap();
        fs_err::write(root.join("qemu"), QEMU).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(root.join("qemu"), executable).unwrap();
        exported
    }

    /// Runs the script. Returns its exit status and output.
    fn run(&self, says: &str, args: &[&str]) -> (i32, String) {
        fs_err::write(self.path().join("says"), says).unwrap();
        let command = Command::new("/bin/sh")
            .arg(self.path().join("script"))
            .args(args)
            .env("QEMU", self.path().join("qemu"))
            .env("TMPDIR", self.path())
            .env("PATH", "/usr/bin:/bin");
        let done = command.output(Duration::from_secs(30)).unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        (done.status.shell_code(), text)
    }
}

fn test_report(test: &str, outcome: Outcome) -> TestReport {
    let nic = Choice {
        name: "nic".to_owned(),
        value: "e1000".to_owned(),
    };
    TestReport {
        outcome,
        description: "Says what is promised.".to_owned(),
        setup: Setup {
            accel: "tcg".to_owned(),
            qemu: "10.0.2".to_owned(),
            machine: "q35".to_owned(),
            seed: 7,
            choices: vec![nic],
            ..Setup::default()
        },
        ..TestReport::new("x", "block", test)
    }
}

fn report() -> TestReport {
    test_report("it's", Outcome::Passed)
}

fn recorder(root: &Utf8Path, starts: usize) -> Recorder {
    let recorder = Recorder::default();
    for _ in 0..starts {
        let argv = [
            "-kernel".to_owned(),
            root.join(KERNEL).into_string(),
            "-initrd".to_owned(),
            root.join(INITRAMFS).into_string(),
            "-dtb".to_owned(),
            root.join(DEVICE_TREE).into_string(),
            "-append".to_owned(),
            "a b".to_owned(),
            "-drive".to_owned(),
            format!("file={root}/scratch0"),
        ];
        let boot = BootFiles {
            kernel: root.join("vmlinux"),
            initrd: Some(root.join("cpio")),
            device_tree: Some(root.join("tree")),
        };
        let handover = Handover {
            files: vec![("/kiln/test".to_owned(), 0o755, b"the test".to_vec())],
            environment: vec![("KILN_SEED".to_owned(), "7".to_owned())],
            run: "/kiln/it's.sh".to_owned(),
        };
        let limit = Duration::from_secs(20);
        let start = Start::new(argv.to_vec(), (root, root), boot, handover, limit);
        recorder.start(start).unwrap();
    }
    recorder
}

#[test]
fn guest_exit_becomes_a_tap_verdict() {
    let check = |ends, says: &str, code: i32, expect: &str| {
        let (status, text) = Exported::new(ends).run(says, &[]);
        let head = "TAP version 13\n1..1\n";
        assert_eq!(
            (status, text.strip_prefix(head)),
            (code, Some(expect)),
            "{says}"
        );
    };
    let report = ExpectedEnd::Report;
    let ok = "ok 1 - x::block::it's\n";
    let failed = |why: &str| format!("# {why}\nnot ok 1 - x::block::it's\n");
    check(report, "0\n@kiln end 0 0\n", 0, ok);
    check(
        report,
        "0\nhello\r\n@kiln end 0 0\r\n",
        0,
        &format!("# hello\n{ok}"),
    );
    check(
        report,
        "0\n@kiln end 3 0\n",
        1,
        &failed("exit status 3, last line: "),
    );
    check(
        report,
        "0\n@kiln fail two\n@kiln end 1 0\n",
        1,
        &failed("two"),
    );
    let skipped = "ok 1 - x::block::it's # SKIP none here\n";
    check(
        report,
        "0\n@kiln skip none here\n@kiln end 77 0\n",
        77,
        skipped,
    );
    check(
        report,
        "0\n@kiln end 0 512\n",
        1,
        &failed("the guest's kernel is tainted: 512"),
    );
    // Loading a module by force taints too, and is not a fault.
    check(report, "0\n@kiln end 0 2\n", 0, ok);
    check(
        report,
        "0\n",
        1,
        &failed("the guest ended before its test did"),
    );
    let message = "# no such device\n";
    let why = "QEMU exited with status 1: no such device";
    check(
        report,
        "1\nno such device\n",
        1,
        &format!("{message}{}", failed(why)),
    );
    let poweroff = ExpectedEnd::Leave(Leave::Poweroff);
    check(poweroff, "0\n@kiln leaving poweroff\n", 0, ok);
    check(
        poweroff,
        "0\n",
        1,
        &failed("the guest ended before its test did"),
    );
    let early = failed("the test ended without calling `leave poweroff`");
    check(poweroff, "0\n@kiln end 0 0\n", 1, &early);
    let panic = "Kernel panic - not syncing: x";
    let comment = format!("# {panic}\n");
    check(
        report,
        &format!("0\n{panic}\n"),
        1,
        &format!("{comment}{}", failed(panic)),
    );
    let announced = format!("0\n@kiln leaving panic\n{panic}\n");
    check(
        ExpectedEnd::Leave(Leave::Panic),
        &announced,
        0,
        &format!("{comment}{ok}"),
    );
}

/// `QEMU` prints to both the console and its own messages if a line starts with `qemu`.
const UNIT_QEMU: &str = "#!/bin/sh\nread -r status < \"${0%/*}/says\"\n\
                         tail -n +2 \"${0%/*}/says\" | grep -v ^qemu\n\
                         tail -n +2 \"${0%/*}/says\" | grep ^qemu >&2\nexit $status\n";

#[test]
fn status_of_unit_test_decides() {
    let check = |source, says: &str, code: i32, expect: &str| {
        let exported = Exported::of(ExpectedEnd::Report, Some(source));
        fs_err::write(exported.path().join("qemu"), UNIT_QEMU).unwrap();
        let (status, text) = exported.run(says, &[]);
        let verdict = text.lines().last().unwrap_or_default();
        let cause = text.lines().rev().nth(1).unwrap_or_default();
        let found = if code == 1 { cause } else { verdict };
        assert_eq!((status, found), (code, expect), "{says}");
    };
    let ok = "ok 1 - x::block::it's";
    let skipped = "ok 1 - x::block::it's # SKIP 1 tests, 1 skipped";
    check("exit", "1\nPASS: a\nSUMMARY: 1 tests\n", 0, ok);
    check("exit", "1\nqemu: Warning: old\nPASS: a\n", 0, ok);
    check(
        "exit",
        "1\nqemu: no such CPU\n",
        1,
        "# QEMU: qemu: no such CPU",
    );
    check(
        "exit",
        "3\nSUMMARY: 2 tests, 1 failed\n",
        1,
        "# 2 tests, 1 failed",
    );
    check("exit", "77\nSUMMARY: 1 tests, 1 skipped\n", 77, skipped);
    check("exit", "127\n", 1, "# the test called abort()");
    let silent = "# QEMU ended with status 0: the guest reported no status";
    check("exit", "0\nEXIT: STATUS=1\n", 1, silent);
    check("printed", "0\nPASS: a\n\nEXIT: STATUS=1\n", 0, ok);
    check(
        "printed",
        "0\nEXIT: STATUS=3\n",
        1,
        "# QEMU ended with status 0: the guest reported no status",
    );
    check(
        "printed",
        "0\nSUMMARY: 1 tests, 1 skipped\nEXIT: STATUS=77\n",
        77,
        skipped,
    );
    check("printed", "0\n", 1, silent);
    check("printed", "3\nEXIT: STATUS=1\n", 1, "# exit status 3");
}

#[test]
fn script_returns_its_files_and_command_line() {
    let exported = Exported::new(ExpectedEnd::Report);
    let out = exported.path().join("out");
    let (code, line) = exported.run("0\n", &["--extract", out.as_str(), "-s"]);
    let expect = format!(
        "{}/qemu '-kernel' '{out}/kernel' '-initrd' '{out}/initramfs.cpio' \
         '-dtb' '{out}/device-tree' '-append' 'a b' '-drive' 'file={out}/scratch0' '-s'\n",
        exported.path()
    );
    assert_eq!((code, line), (0, expect));
    let read = |name: &str| fs_err::read(out.join(name)).unwrap();
    assert_eq!(read("kernel"), b"a kernel");
    assert_eq!(read("device-tree"), b"a device tree");
    assert_eq!(read("scratch0"), b"it's data");
    let initramfs = read("initramfs.cpio");
    assert!(initramfs.starts_with(b"an archive\x00\x00070701"));
    let text = String::from_utf8_lossy(&initramfs);
    for part in [
        "kiln/test\0",
        "the test",
        "KILN_SEED=7\n",
        "nic=e1000\n",
        "bin/kiln-call\0",
        r"setsid sh '/kiln/it'\''s.sh' < /dev/null",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let (code, help) = exported.run("0\n", &["--help"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(help);
}

#[test]
fn hanging_guest_is_killed_without_remains() {
    let exported = Exported::new(ExpectedEnd::Report);
    let hangs = "#!/bin/sh\nexec sleep 600\n";
    fs_err::write(exported.path().join("qemu"), hangs).unwrap();
    let script = fs_err::read(exported.path().join("script")).unwrap();
    let text = String::from_utf8_lossy(&script);
    assert!(text.contains("limit=${LIMIT:-20}"));
    let command = Command::new("/bin/sh")
        .arg(exported.path().join("script"))
        .env("QEMU", exported.path().join("qemu"))
        .env("TMPDIR", exported.path())
        .env("PATH", "/usr/bin:/bin")
        .env("LIMIT", "1");
    let done = command.output(Duration::from_secs(30)).unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains("# no end within 1 s\nnot ok 1"), "{text}");
    let left = fs_err::read_dir(exported.path()).unwrap();
    let left = left.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 0);
}

#[test]
fn unexportable_parts_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    let refused = |recorder: &Recorder, report: &TestReport, reboots| {
        let subject = Subject {
            report,
            ends: ExpectedEnd::Report,
            unit: None,
            reboots,
            binary: "qemu",
            notices: Vec::new(),
        };
        script(recorder, &subject).unwrap_err().to_string()
    };
    let twice = "`x::block::it's` started QEMU 2 times; a standalone script can start it once";
    assert_eq!(refused(&recorder(root, 2), &report(), 0), twice);
    let asking = recorder(root, 1);
    asking.word("serve");
    asking.word("qmp");
    let words =
        "`x::block::it's` needs the runner for `qmp`, `serve`; a standalone script has none";
    assert_eq!(refused(&asking, &report(), 0), words);
    let reboots =
        "`x::block::it's` continues after a reboot, which a standalone script does not support";
    assert_eq!(refused(&recorder(root, 1), &report(), 1), reboots);
    let skipped = Outcome::Skipped {
        reason: "no edu".to_owned(),
    };
    let skipped = test_report("b", skipped);
    assert_eq!(
        refused(&recorder(root, 0), &skipped, 0),
        "`x::block::b` did not run here: no edu"
    );
    let _socket = std::os::unix::net::UnixListener::bind(root.join("scratch0")).unwrap();
    let files = [("vmlinux", "k"), ("cpio", "i"), ("tree", "d")];
    for (name, text) in files {
        fs_err::write(root.join(name), text).unwrap();
    }
    let socket =
        "`scratch0` on QEMU's command line is a socket, whose other end is not in the script";
    assert_eq!(refused(&recorder(root, 1), &report(), 0), socket);
    let own = recorder(root, 1);
    "/own".clone_into(&mut own.recording().starts[0].argv[3]);
    let initramfs = "`x::block::it's` boots its own initramfs, so the test cannot be added to it";
    assert_eq!(refused(&own, &report(), 0), initramfs);
}
