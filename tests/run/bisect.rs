//! Runs `git bisect run` in a repository whose QEMU breaks at one commit.

use std::path::Path;
use std::process::Command;

use harness::qemu::arch;
use harness::repo::TestRepo;

const TWO: &str = "# Has two processors.\n#: smp = 2\n\
                   in_guest() {\n    test \"$(nproc)\" = 2\n}\n";

/// A QEMU that works, one that hides a CPU, and one that does not start.
const GOOD: &str = "exec @QEMU@ \"$@\"";
const BAD: &str = "exec @QEMU@ \"$@\" -smp 1";
const BROKEN: &str = "echo half of it is missing >&2\nexit 1";

struct History<'a> {
    repo: &'a TestRepo,
    arch: &'a str,
}

impl History<'_> {
    fn directory(&self) -> std::path::PathBuf {
        self.repo.path().join("qemu")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.directory())
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs(self.repo.environment())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?} {text} {message}");
        text
    }

    /// Commits this QEMU.
    fn commit(&self, subject: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let name = format!("qemu-system-{}", self.arch);
        let script = script.replace("@QEMU@", &name);
        let file = self.directory().join("build").join(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n# {subject}\n{script}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, executable).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "-m", subject]);
    }
}

#[test]
fn git_finds_the_commit_that_broke_a_test() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/two", TWO)]);
    let history = History {
        repo: &repo,
        arch: &arch,
    };
    std::fs::create_dir(history.directory()).unwrap();
    history.git(&["init", "-q"]);
    let commits = [
        ("first", GOOD),
        ("second", GOOD),
        ("does not start", BROKEN),
        ("fourth", GOOD),
        ("the culprit", BAD),
        ("sixth", BAD),
    ];
    for (subject, script) in commits {
        history.commit(subject, script);
    }
    history.git(&["bisect", "start", "HEAD", "HEAD~5"]);
    let test = [
        "test",
        "--offline",
        "a::two",
        "--accel",
        "tcg",
        "--qemu",
        "build",
    ];
    let run = [
        "bisect",
        "run",
        harness::xtask_path().to_str().unwrap(),
        "--quiet",
    ];
    let args = [&run[..], &test[..], &["--bisect", "--arch", &arch]].concat();
    let log = history.git(&args);
    let culprit = log.lines().find(|line| line.trim() == "the culprit");
    assert!(
        log.contains("is the first bad commit") && culprit.is_some(),
        "{log}"
    );
}

#[test]
fn bisect_distinguishes_untestable_from_failure() {
    let Some(arch) = arch() else { return };
    let skips = "# Skips.\nin_host() {\n    skip \"not here\"\n}\n";
    let repo = TestRepo::with(&[("a/skips", skips)]);
    let code = |qemu: &Path, filter: &str| {
        let args = [
            "test",
            "--offline",
            "--arch",
            &arch,
            filter,
            "--accel",
            "tcg",
            "--bisect",
        ];
        repo.run(&[&args[..], &["--qemu", qemu.to_str().unwrap()]].concat())
            .code
    };
    let installed = std::env::var("PATH").unwrap();
    let installed = std::env::split_paths(&installed)
        .find(|path| path.join(format!("qemu-system-{arch}")).exists())
        .unwrap();
    assert_eq!(code(&installed, "skips"), 125);
    assert_eq!(code(Path::new("/nowhere"), "skips"), 125);
    // A wrong command line is wrong for every commit.
    assert_eq!(code(&installed, "no-such-test"), 128);
}
