//! Whole runs, with QEMU and the images of the repository: that each way to end is named for what it
//! is, that nothing survives a run, and that all of it works offline from an empty store.
//!
//! Where the QEMU of an architecture is not installed, its tests say so and check nothing.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "acts as a user does"
)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A repository with the evil tests in place of the good ones, an empty store, a place for scratch.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("kr")
            .tempdir_in("/tmp")
            .unwrap();
        let copy = |from: PathBuf, to: PathBuf| {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(
                Command::new("cp")
                    .arg("-r")
                    .arg(from)
                    .arg(to)
                    .status()
                    .unwrap()
                    .success()
            );
        };
        for folder in ["recipes", "images", "guest-tests/lib"] {
            copy(root().join(folder), dir.path().join("repo").join(folder));
        }
        copy(
            root().join("tests/evil"),
            dir.path().join("repo/guest-tests/evil"),
        );
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir }
    }

    fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        command
            .env_remove("KILN_QEMU")
            .env_remove("XDG_RUNTIME_DIR")
            .env("NO_COLOR", "1")
            .env("KILN_STORE", self.dir.path().join("store"))
            .env("TMPDIR", self.tmp())
            .env("CARGO_MANIFEST_DIR", self.dir.path().join("repo/xtask"))
            .args(args);
        command
    }

    fn tmp(&self) -> PathBuf {
        self.dir.path().join("tmp")
    }

    /// Processes whose command line names this place.
    fn processes(&self) -> Vec<String> {
        let mark = self.dir.path().to_str().unwrap();
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = std::fs::read(entry.unwrap().path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(mark)).collect()
    }

    fn wait_until_quiet(&self) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && !self.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.processes()
    }
}

/// An architecture whose QEMU is here and whose image is in the repository.
fn arch() -> Option<String> {
    let mut arches: Vec<String> = std::fs::read_dir(root().join("images"))
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".toml")?
                .to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let binary = text
                .lines()
                .find_map(|line| line.strip_prefix("binary = \""))?;
            let here = Command::new(binary.trim_end_matches('"'))
                .arg("--version")
                .output()
                .is_ok();
            let image = root()
                .join("images/prebuilt")
                .join(format!("{name}.tar.xz"))
                .exists();
            (here && image).then_some(name)
        })
        .collect();
    arches.sort();
    if arches.is_empty() {
        eprintln!("skipped: no QEMU is installed for any image of the repository");
    }
    arches.pop()
}

#[test]
fn each_way_to_end_is_named_for_what_it_is() {
    let Some(arch) = arch() else { return };
    let place = Place::new();
    // The time limits of the tests are theirs; only the hang before init has to reach the boot's.
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "--message-format",
        "json",
        "--timeout-factor",
        "0.5",
    ];
    let output = place.xtask(&args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut ends = BTreeMap::new();
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if value["reason"] == "test-finished" {
            let test = value["test"].as_str().unwrap().to_owned();
            let mut end = value["outcome"].as_str().unwrap().to_owned();
            for detail in ["phase", "cause", "signal"] {
                if !value[detail].is_null() && (detail != "cause" || test == "fails") {
                    end = format!("{end} {}", value[detail].to_string().trim_matches('"'));
                }
            }
            ends.insert(test, end);
        }
    }
    let expected = [
        ("fails", "failed two and two are five"),
        ("floods", "passed"),
        ("forges", "failed"),
        ("hang", "timed-out test"),
        ("hang-in-boot", "timed-out boot"),
        ("kills-qemu", "qemu-crashed 11"),
        ("leaves", "lost-guest"),
        ("needs-what-is-not-there", "skipped"),
        ("panic", "guest-panicked"),
        ("skips", "skipped"),
        ("wrong-option", "qemu-did-not-start"),
    ];
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(name, end)| ((*name).to_owned(), (*end).to_owned()))
        .collect();
    assert_eq!(ends, expected, "{stderr}");
    assert_eq!(output.status.code(), Some(100));
    assert_eq!(place.wait_until_quiet(), Vec::<String>::new());
    assert_eq!(
        std::fs::read_dir(place.tmp()).unwrap().count(),
        0,
        "scratch is left behind"
    );
}

#[test]
fn what_a_guest_prints_cannot_drive_a_terminal() {
    let Some(arch) = arch() else { return };
    let place = Place::new();
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "floods",
        "--no-capture",
    ];
    let output = place.xtask(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = [output.stdout, output.stderr].concat();
    assert!(!shown.contains(&0x1b) && !shown.contains(&0x07));
    assert!(String::from_utf8_lossy(&shown).contains("owned"));
}

/// Starts a test that would run for a long time, and waits until its QEMU is there.
fn start_long(place: &Place, arch: &str) -> Child {
    let args = [
        "test",
        "--offline",
        "--arch",
        arch,
        "evil::hang",
        "--exact",
        "--timeout-factor",
        "60",
    ];
    let mut child = place
        .xtask(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place
        .processes()
        .iter()
        .any(|line| line.contains("-nodefaults"))
    {
        assert!(Instant::now() < deadline, "no QEMU came");
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn an_interrupted_run_leaves_no_process_and_no_directory() {
    let Some(arch) = arch() else { return };
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let place = Place::new();
        let mut child = start_long(&place, &arch);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        assert_eq!(place.wait_until_quiet(), Vec::<String>::new(), "{name}");
        assert_eq!(std::fs::read_dir(place.tmp()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_killed_run_leaves_no_process() {
    let Some(arch) = arch() else { return };
    let place = Place::new();
    let mut child = start_long(&place, &arch);
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(place.wait_until_quiet(), Vec::<String>::new());
}

#[test]
fn two_runs_at_once_share_one_empty_store() {
    let Some(arch) = arch() else { return };
    let place = Place::new();
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "evil::floods",
        "--exact",
        "--quiet",
    ];
    let runs: Vec<Child> = (0..2)
        .map(|_| place.xtask(&args).spawn().unwrap())
        .collect();
    for mut run in runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
}
