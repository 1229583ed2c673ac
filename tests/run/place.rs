//! Where a test runs the program: a repository of its own, an empty store, and what is left there.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::skip::skip;
use crate::told::told;

/// The program under test.
pub(crate) const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// A host that has much else to do fails no test; the limits of those that hang are the shorter.
const PATIENCE: &str = "--timeout-factor=4";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A repository with tests that misbehave in place of the good ones, an empty store, a place for
/// scratch.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// How a command ended, and what it printed.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// With one folder of `tests/` as its guest tests.
    pub(crate) fn new(area: &str) -> Self {
        let place = Self::empty();
        let tests = place.repository().join("guest-tests");
        copy(&root().join("tests").join(area), &tests.join(area));
        place
    }

    /// With these tests, each `area/name` and its script, in which `@DIR@` is this place.
    pub(crate) fn with(tests: &[(&str, &str)]) -> Self {
        let place = Self::empty();
        for (name, script) in tests {
            let script = script.replace("@DIR@", place.path().to_str().unwrap());
            place.write(&format!("{name}.sh"), &script);
        }
        place
    }

    fn empty() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("kr")
            .tempdir_in("/tmp")
            .unwrap();
        let place = Self { dir };
        for folder in ["recipes", "images", "guest-tests/lib"] {
            copy(&root().join(folder), &place.repository().join(folder));
        }
        std::fs::create_dir(place.tmp()).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path().join("repo")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    pub(crate) fn tests(&self) -> PathBuf {
        self.repository().join("guest-tests")
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.repository().join("target/kiln/runs")
    }

    /// Writes a guest test of the test's own.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.repository().join("guest-tests").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A directory with a QEMU of the test's own, in whose script `@QEMU@` is the real one.
    pub(crate) fn qemu(&self, directory: &str, arch: &str, script: &str) -> PathBuf {
        let directory = self.path().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        let name = binary(arch);
        let file = directory.join(&name);
        let script = script.replace("@QEMU@", &name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    /// `xtask test` on one architecture.
    pub(crate) fn test(&self, arch: &str, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        self.settle(&mut command, arch, args);
        command
    }

    /// The program.
    pub(crate) fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        self.surround(&mut command);
        command.args(args);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Told {
        let (code, stdout, stderr) = told(self.xtask(args).output().unwrap());
        Told {
            code,
            stdout,
            stderr,
        }
    }

    /// Runs tests of one architecture to their end, and gives what is said of them as JSON.
    pub(crate) fn events(&self, arch: &str, args: &[&str]) -> (i32, Vec<Value>) {
        let fixed = ["test", "--offline", "--arch", arch, "--message-format=json"];
        let told = self.run(&[&fixed, args].concat());
        let lines = told.stdout.lines();
        let events: Vec<_> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(!events.is_empty(), "{}", told.stderr);
        (told.code, events)
    }

    /// The same from a shell script, as `"$@"`.
    pub(crate) fn test_in_script(&self, script: &str, arch: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", XTASK]);
        self.settle(&mut command, arch, args);
        command
    }

    fn settle(&self, command: &mut Command, arch: &str, args: &[&str]) {
        let factor = args.iter().any(|arg| arg.starts_with("--timeout-factor"));
        command
            .args(["test", "--offline", "--arch", arch])
            .args((!factor).then_some(PATIENCE))
            .args(args);
        self.surround(command);
    }

    /// An environment of its own.
    fn surround(&self, command: &mut Command) {
        command
            .env_remove("KILN_QEMU")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("GITHUB_ACTIONS")
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("NO_COLOR", "1")
            .envs(self.environment());
    }

    /// The variables by which the program knows this place.
    pub(crate) fn environment(&self) -> [(&str, PathBuf); 3] {
        [
            ("KILN_STORE", self.path().join("store")),
            ("TMPDIR", self.tmp()),
            ("CARGO_MANIFEST_DIR", self.repository().join("xtask")),
        ]
    }

    /// Command lines of the processes whose command line or environment names this place.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = self.path().to_str().unwrap();
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let process = entry.unwrap().path();
            let text = |name| {
                let bytes = std::fs::read(process.join(name)).ok()?;
                Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
            };
            let line = text("cmdline")?;
            let is_ours = line.contains(mark) || text("environ")?.contains(mark);
            is_ours.then_some(line)
        });
        lines.collect()
    }

    pub(crate) fn wait_until_quiet(&self) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && !self.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.processes()
    }

    /// Fails when a process of this place lives on, or a scratch directory.
    pub(crate) fn is_clean(&self, why: &str) {
        assert_eq!(self.wait_until_quiet(), Vec::<String>::new(), "{why}");
        let left: Vec<_> = std::fs::read_dir(self.tmp())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{why}: scratch is left behind: {left:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// The end of each test in a run's JSON: its outcome, and its cause where there is one.
pub(crate) fn ends(output: &Output) -> BTreeMap<String, String> {
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let values = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let finished = values.filter(|value: &Value| value["reason"] == "test-finished");
    let end = |value: Value| {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let end = format!("{}: {}", text("outcome"), text("cause"));
        (text("test"), end.trim_end_matches(": ").to_owned())
    };
    finished.map(end).collect()
}

pub(crate) fn expected(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(name, end): &(&str, &str)| ((*name).to_owned(), (*end).to_owned());
    list.iter().map(own).collect()
}

/// The QEMU of an architecture, as its file names it.
pub(crate) fn binary(arch: &str) -> String {
    let file = root().join("images").join(format!("{arch}.toml"));
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("binary = "));
    line.unwrap().trim_matches('"').to_owned()
}

/// An architecture whose QEMU is here and whose image is in the repository.
pub(crate) fn arch() -> Option<String> {
    let prebuilt = std::fs::read_dir(root().join("images/prebuilt")).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().ok()?;
        Some(name.strip_suffix(".tar.xz")?.to_owned())
    };
    let is_here = |arch: &String| Command::new(binary(arch)).arg("--version").output().is_ok();
    let arch = prebuilt.filter_map(name).filter(is_here).max();
    if arch.is_none() {
        skip("there is no QEMU for any image of the repository");
    }
    arch
}

/// Waits until something has come about in a run that continues.
pub(crate) fn wait_for(child: &mut Child, what: &str, has_come: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_come() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts it without a word.
pub(crate) fn silently(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}
