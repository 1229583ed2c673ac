//! `--suite`: a built tree of kvm-unit-tests, with a fake QEMU in place of the guests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Output;
use harness::qemu::{arch, binary};
use harness::repo::{TestRepo, expected, outcomes};
use harness::skip::unsuited;
use harness::{copy, root, write};
use serde_json::Value;

const CONFIG: &str = "ARCH=@ARCH@\nARCH_NAME=@ARCH@\nTEST_DIR=riscv\nDEFAULT_QEMU_CPU=max\n\
                      ENVIRON_DEFAULT=yes\nERRATATXT=\n";

/// Each test: its name, its section, and the behaviour of its guest.
const TESTS: &[(&str, &str, &str)] = &[
    (
        "pass",
        "smp = 2\ntest_args = \"a `date +%s`\"\ngroups = quick\ntimeout = 60",
        "[[ $smp = 2 && $append = 'a 1'* ]] && grep -q '^QEMU_ACCEL=tcg$' \"$initrd\" || exit 1\n\
         say 'PASS: one'\nsay 'XFAIL: two'\nsay 'SUMMARY: 2 tests'\nsay 'EXIT: STATUS=1'\nexit 0",
    ),
    (
        "fail",
        "",
        "say 'FAIL: one'\nsay 'SUMMARY: 1 tests, 1 unexpected failures'\nsay 'EXIT: STATUS=3'",
    ),
    (
        "skip",
        "",
        "say 'SUMMARY: 1 tests, 1 skipped'\nsay 'EXIT: STATUS=77'",
    ),
    ("abort", "", "say 'EXIT: STATUS=127'"),
    ("silent", "", "exit 0"),
    ("dies", "", "kill -SEGV $$"),
    ("triple-fault", "", "say 'EXIT: STATUS=1'\nexit 3"),
    ("hangs", "timeout = 0.2", "exec sleep 1000"),
    ("floods", "", "yes \"$(printf '%04000d' 0)\" >&\"$console\""),
    (
        "wrong-option",
        "qemu_params = -wrong-option",
        "say 'EXIT: STATUS=1'",
    ),
    (
        "panics",
        "groups = panic",
        "qmp '{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\"}}'\nexec sleep 1000",
    ),
    ("no-panic", "groups = panic", "say 'EXIT: STATUS=1'"),
    ("no-migration", "groups = migration", "say 'EXIT: STATUS=1'"),
    ("other-arch", "arch = other", ""),
    ("kvm-only", "accel = kvm", ""),
    ("disabled", "disabled_if = [[ \"$ARCH\" != other ]]", ""),
    ("needs-shell", "disabled_if = touch @DIR@/ran", ""),
    (
        "manual",
        "groups = nodefault slow-ones",
        "say 'EXIT: STATUS=1'",
    ),
    ("typo", "tiemout = 3", "say 'EXIT: STATUS=1'"),
];

/// A repository and a tree.
struct Tree {
    repo: TestRepo,
    arch: String,
}

impl Tree {
    fn new(arch: String) -> Self {
        let repo = TestRepo::with(&[("a/guest", "in_guest() {\n    true\n}\n")]);
        let tree = Self { repo, arch };
        let fill = |text: &str| {
            let text = text.replace("@ARCH@", &tree.arch);
            text.replace("@DIR@", tree.repo.path().to_str().unwrap())
        };
        write(&tree.dir().join("config.mak"), fill(CONFIG));
        let mut list = String::new();
        for (name, section, guest) in TESTS {
            list.push_str(&fill(&format!(
                "[{name}]\nfile = {name}.flat\n{section}\n\n"
            )));
            write(
                &tree.dir().join(format!("riscv/{name}.flat")),
                format!("{guest}\n"),
            );
        }
        list.push_str("[gone]\nfile = gone.flat\n");
        write(&tree.dir().join("riscv/unittests.cfg"), list);
        let qemu = tree.repo.path().join("bin").join(binary(&tree.arch));
        std::fs::create_dir(qemu.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(root().join("tests/run/unit-test-qemu.sh"), qemu).unwrap();
        tree
    }

    fn dir(&self) -> PathBuf {
        self.repo.path().join("kut")
    }

    /// `cargo xtask test --suite DIR`.
    fn test(&self, args: &[&str]) -> Command {
        let (dir, bin) = (self.dir(), self.repo.path().join("bin"));
        let mut all = vec![
            "--accel=tcg",
            "--suite",
            dir.to_str().unwrap(),
            "--qemu",
            bin.to_str().unwrap(),
            "--message-format=json",
            "--timeout-factor=1",
        ];
        all.extend(args);
        let mut command = self.repo.test(&self.arch, &all);
        let real = Command::new("sh")
            .args(["-c", "command -v \"$0\"", &binary(&self.arch)])
            .output()
            .unwrap();
        command.env("REAL_QEMU", String::from_utf8(real.stdout).unwrap().trim());
        command
    }
}

#[test]
fn each_end_of_a_unit_test_is_identified() {
    let Some(arch) = arch() else { return };
    let tree = Tree::new(arch);
    let output = tree.test(&[]).output().unwrap();
    let lost = "lost-guest: QEMU ended with status 0: the guest reported no status";
    let ran = tree.repo.path().join("ran");
    let needs_shell = format!(
        "skipped: `touch {}` needs a shell: it runs `touch`",
        ran.display()
    );
    let expected = expected(&[
        ("pass", "passed"),
        ("fail", "failed: 1 tests, 1 unexpected failures"),
        ("skip", "skipped: 1 tests, 1 skipped"),
        ("abort", "failed: the test called abort()"),
        ("silent", lost),
        ("dies", "qemu-crashed: QEMU was killed by SIGSEGV"),
        ("triple-fault", "failed: exit status 3"),
        ("hangs", "timed-out: the test did not end within 0.2 s"),
        ("floods", "failed: console flood: more than 64 MiB"),
        (
            "wrong-option",
            "skipped: qemu: -wrong-option: invalid option",
        ),
        ("panics", "passed"),
        ("no-panic", "failed: the guest did not panic"),
        (
            "no-migration",
            "failed: the test ended before it asked for a migration",
        ),
        ("other-arch", "skipped: `other` only"),
        (
            "kvm-only",
            "skipped: `kvm` only, and the accelerator is tcg",
        ),
        (
            "disabled",
            "skipped: disabled because: [[ \"$ARCH\" != other ]]",
        ),
        ("needs-shell", &needs_shell),
        (
            "manual",
            "skipped: runs only if its group or its whole name is given",
        ),
        (
            "typo",
            "harness-error: unittests.cfg: line 78: unknown key `tiemout`, did you mean `timeout`?",
        ),
        ("gone", "skipped: `riscv/gone.flat` does not exist"),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(outcomes(&output), expected, "{stderr}");
    assert!(!ran.exists(), "a condition was executed");
    let finished = Output::from(output).lines("test-finished");
    let pass = finished
        .iter()
        .find(|event| event["test"] == "pass")
        .unwrap();
    let subtests = pass["subtests"].as_array().unwrap().iter();
    let subtests: Vec<_> = subtests
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(subtests, [("one", "passed"), ("two", "skipped")]);
    assert_eq!(
        (&pass["kind"], &pass["accel"]),
        (&"suite".into(), &"tcg".into())
    );
    let again = pass["reproduce"].as_str().unwrap();
    let suite = format!("--suite {}", tree.dir().display());
    assert!(
        again.contains(&suite) && again.contains("::kut::pass"),
        "{again}"
    );
    tree.repo.assert_clean("after all");
}

#[test]
fn all_kinds_share_one_run() {
    let Some(arch) = arch() else { return };
    if arch != std::env::consts::ARCH {
        return unsuited("no guest has the architecture of this host, which ktest needs");
    }
    let tree = Tree::new(arch);
    let repo = &tree.repo;
    repo.write(
        "a/host.sh",
        "# Runs.\n#: kind = \"host\"\nin_host() {\n    true\n}\n",
    );
    copy(&root().join("guest-tests/bare"), &repo.tests().join("bare"));
    // A checkout without their sources has no device tests.
    std::fs::create_dir_all(repo.repository().join("tests/device/src")).unwrap();
    let script = repo.path().join("script");
    write(
        &script,
        "#!/bin/bash\nif test \"$1\" = deps; then\n    echo MEM=256M\n    exit\nfi\necho TEST SUCCESS\n",
    );
    let [html, junit] = ["run.html", "run.xml"].map(|name| repo.path().join(name));
    let output = tree
        .test(&["--ktest", script.to_str().unwrap(), "--seed=1"])
        .args(
            ["guest", "host", "bare", "device", "suite", "ktest"].map(|it| format!("--kind={it}")),
        )
        .arg(format!("--report=html={}", html.display()))
        .arg(format!("--report=junit={}", junit.display()))
        .args(["a::", "bare::console", "edu::computes-factorial"])
        .args(["kut::pass", "ktest::script"])
        .output()
        .unwrap();
    let output = Output::from(output);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let finished = output.lines("test-finished");
    let kinds: BTreeSet<&str> = finished
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    let all = ["bare", "device", "guest", "host", "ktest", "suite"];
    assert_eq!(kinds, all.into(), "{finished:?}");
    let runs = std::fs::read_dir(repo.runs()).unwrap();
    let runs = runs.map(|entry| entry.unwrap().file_name());
    assert_eq!(runs.filter(|name| name == "1" || name == "2").count(), 1);
    let [html, junit] = [html, junit].map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(html.matches("<html").count(), 1);
    let count = format!("tests=\"{}\"", finished.len());
    assert!(junit.contains(&count), "{count} {junit}");
    for test in &finished {
        let [area, name] = ["area", "test"].map(|key| test[key].as_str().unwrap());
        assert!(
            html.contains(name) && junit.contains(name),
            "{area}::{name}"
        );
        let logs = Path::new(test["log_dir"].as_str().unwrap());
        assert!(
            logs.starts_with(repo.runs().join("1")),
            "{}",
            logs.display()
        );
    }
}

#[test]
fn unit_tests_are_selected_by_name_and_group() {
    let Some(arch) = arch() else { return };
    let tree = Tree::new(arch);
    let names = |args: &[&str]| {
        let output = Output::of(tree.test(args).arg("--list"));
        let names = output.lines("test").into_iter();
        let name = |event: Value| event["name"].as_str().unwrap().to_owned();
        names.map(name).collect::<Vec<_>>()
    };
    let arch = &tree.arch;
    assert_eq!(names(&["--group=quick"]), [format!("{arch}::kut::pass")]);
    assert_eq!(names(&["-E", "test(skip)"]), [format!("{arch}::kut::skip")]);
    assert_eq!(names(&[]).len(), TESTS.len() + 1);
    let both = names(&["--kind=guest", "--kind=suite", "guest", "kut::skip"]);
    assert_eq!(
        both,
        [format!("{arch}::a::guest"), format!("{arch}::kut::skip")]
    );
    let output = tree.test(&["--group=slow-ones"]).output().unwrap();
    assert_eq!(outcomes(&output), expected(&[("manual", "passed")]));
    let name = format!("{arch}::kut::manual");
    let output = tree.test(&["--exact", &name]).output().unwrap();
    assert_eq!(outcomes(&output), expected(&[("manual", "passed")]));
}

#[test]
fn standalone_script_has_the_verdict_of_the_suite() {
    let Some(arch) = arch() else { return };
    let tree = Tree::new(arch);
    for (test, code) in [("pass", 0), ("fail", 1)] {
        let file = tree.repo.path().join(test);
        let name = format!("{}::kut::{test}", tree.arch);
        let args = ["--exact", &name, "--standalone", file.to_str().unwrap()];
        let output = Output::of(&mut tree.test(&args));
        assert!(file.is_file(), "{}", output.stderr);
        let qemu = tree.repo.path().join("bin").join(binary(&tree.arch));
        let mut script = Command::new("sh");
        script.arg(&file).env("QEMU", qemu);
        let output = Output::of(&mut script);
        assert_eq!(
            output.code, code,
            "{test}: {}{}",
            output.stdout, output.stderr
        );
    }
}

#[test]
fn unusable_suite_is_refused_with_its_reason() {
    let Some(arch) = arch() else { return };
    let tree = Tree::new(arch);
    let check = |code: i32, expect: &str| {
        let output = Output::of(&mut tree.test(&["--list"]));
        assert_eq!(output.code, code, "{}", output.stderr);
        assert!(output.stderr.contains(expect), "{}", output.stderr);
    };
    let file = tree.repo.path().join("script");
    let name = format!("{}::kut::panics", tree.arch);
    let standalone = ["--exact", &name, "--standalone", file.to_str().unwrap()];
    let output = Output::of(&mut tree.test(&standalone));
    assert_eq!(output.code, 2, "{}", output.stderr);
    let expect =
        format!("--standalone takes a test that only starts QEMU, `{name}` is in the group panic");
    assert!(output.stderr.contains(&expect), "{}", output.stderr);
    let other = if tree.arch == "aarch64" {
        "ppc64"
    } else {
        "aarch64"
    };
    let args = [
        "test",
        "--arch",
        other,
        "--suite",
        tree.dir().to_str().unwrap(),
    ]
    .map(str::to_owned);
    let output = tree.repo.run(&args.each_ref().map(String::as_str));
    assert_eq!(output.code, 2, "{}", output.stderr);
    let expect = format!("is built for {}, which --arch does not select", tree.arch);
    assert!(output.stderr.contains(&expect), "{}", output.stderr);
    let config = tree.dir().join("config.mak");
    let text = std::fs::read_to_string(&config).unwrap();
    let other = text.replace(&format!("ARCH_NAME={}", tree.arch), "ARCH_NAME=sparc64");
    std::fs::write(&config, other).unwrap();
    check(
        2,
        "is built for `sparc64`, which Kiln has no architecture for",
    );
    std::fs::write(&config, text + "CONFIG_EFI=y\n").unwrap();
    check(
        2,
        "is configured with `CONFIG_EFI=y`, which Kiln does not support",
    );
    std::fs::remove_file(&config).unwrap();
    check(
        2,
        "is not a built tree of kvm-unit-tests: missing `config.mak`",
    );
}
