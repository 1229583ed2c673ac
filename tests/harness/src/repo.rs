//! A repository with the real images and the test's own guest tests, an empty store, and a
//! temporary directory in which nothing may be left.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use host::wait::{self, Limit};
use serde_json::Value;

use crate::{Output, copy, program, qemu, root, run, write, xtask, xtask_path};

/// Prevents failures on a busy host. Tests that hang have their own limits.
const TIMEOUT_FACTOR: &str = "--timeout-factor=4";

/// Time limit for a run to reach the state that a test waits for.
const SOON: Duration = Duration::from_secs(60);

/// A repository, a store and a temporary directory.
pub struct TestRepo {
    dir: tempfile::TempDir,
}

impl TestRepo {
    /// A repository with one folder of `tests/` as its guest tests.
    pub fn of_area(area: &str) -> Self {
        let repo = Self::empty();
        copy(&root().join("tests").join(area), &repo.tests().join(area));
        repo
    }

    /// A repository with these tests, each `area/name` and its script, in which `@DIR@` becomes
    /// [`Self::path`].
    pub fn with(tests: &[(&str, &str)]) -> Self {
        let repo = Self::empty();
        for (name, script) in tests {
            let script = script.replace("@DIR@", repo.path().to_str().unwrap());
            repo.write(&format!("{name}.sh"), &script);
        }
        repo
    }

    fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("kr").tempdir_in("/tmp");
        let repo = Self { dir: dir.unwrap() };
        for folder in ["recipes", "images", "guest-tests/lib"] {
            copy(&root().join(folder), &repo.repository().join(folder));
        }
        std::fs::create_dir(repo.tmp()).unwrap();
        repo
    }

    /// The directory that contains everything.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.path().join("repo")
    }

    /// The temporary directory of its runs.
    pub fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Its guest tests.
    pub fn tests(&self) -> PathBuf {
        self.repository().join("guest-tests")
    }

    /// The folder of its runs.
    pub fn runs(&self) -> PathBuf {
        self.repository().join("target/kiln/runs")
    }

    /// Writes a file below its guest tests.
    pub fn write(&self, name: &str, text: &str) {
        write(&self.tests().join(name), text);
    }

    /// Creates a directory with a fake QEMU, in whose script `@QEMU@` becomes the real one.
    pub fn qemu(&self, directory: &str, arch: &str, script: &str) -> PathBuf {
        let directory = self.path().join(directory);
        let name = qemu::binary(arch);
        let script = script.replace("@QEMU@", &name);
        self.executable(&directory.join(&name), &script);
        directory
    }

    /// Writes an executable shell script.
    pub fn executable(&self, file: &Path, script: &str) {
        write(file, format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `xtask test` for one architecture.
    pub fn test(&self, arch: &str, args: &[&str]) -> Command {
        let mut command = xtask();
        self.add_test(&mut command, arch, args);
        command
    }

    /// The program in this repository.
    pub fn xtask(&self, args: &[&str]) -> Command {
        let mut command = xtask();
        self.surround(&mut command);
        command.args(args);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.xtask(args))
    }

    /// Runs tests of one architecture. Returns the exit code and the events.
    pub fn events(&self, arch: &str, args: &[&str]) -> (i32, Vec<Value>) {
        let fixed = ["test", "--offline", "--arch", arch, "--message-format=json"];
        let output = self.run(&[&fixed, args].concat());
        let events = output.json();
        assert!(!events.is_empty(), "{}", output.stderr);
        (output.code, events)
    }

    /// Like [`Self::test`], but from a shell script that calls it as `"$@"`.
    pub fn test_in_script(&self, script: &str, arch: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        program::isolate(&mut command);
        command.args(["-c", script, "sh"]).arg(xtask_path());
        self.add_test(&mut command, arch, args);
        command
    }

    fn add_test(&self, command: &mut Command, arch: &str, args: &[&str]) {
        let has_factor = args.iter().any(|arg| arg.starts_with("--timeout-factor"));
        command
            .args(["test", "--offline", "--arch", arch])
            .args((!has_factor).then_some(TIMEOUT_FACTOR))
            .args(args);
        self.surround(command);
    }

    fn surround(&self, command: &mut Command) {
        command
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .envs(self.environment());
    }

    /// The environment variables that select this repository.
    pub fn environment(&self) -> [(&str, PathBuf); 3] {
        [
            ("KILN_STORE", self.path().join("store")),
            ("TMPDIR", self.tmp()),
            ("CARGO_MANIFEST_DIR", self.repository().join("xtask")),
        ]
    }

    /// Command lines of the processes that have this repository in their command line or
    /// environment.
    pub fn processes(&self) -> Vec<String> {
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

    /// Waits for its processes to end. Returns those that are left.
    pub fn processes_left(&self) -> Vec<String> {
        let limit = Limit::within(Duration::from_secs(5));
        let quiet = wait::poll(limit, || self.processes().is_empty().then(Vec::new));
        quiet.unwrap_or_else(|_| self.processes())
    }

    /// Fails if a process of this repository or a temporary file is left.
    pub fn assert_clean(&self, why: &str) {
        assert_eq!(self.processes_left(), Vec::<String>::new(), "{why}");
        let left: Vec<_> = std::fs::read_dir(self.tmp())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{why}: left in TMPDIR: {left:?}");
    }
}

/// The outcome of each test in a run's JSON, with its cause if any.
pub fn outcomes(output: &std::process::Output) -> BTreeMap<String, String> {
    let events = Output::from(output.clone()).lines("test-finished");
    let outcome = |event: Value| {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        let outcome = format!("{}: {}", text("outcome"), text("cause"));
        (text("test"), outcome.trim_end_matches(": ").to_owned())
    };
    events.into_iter().map(outcome).collect()
}

/// A table of outcomes to compare with [`outcomes`].
pub fn expected(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(name, outcome): &(&str, &str)| ((*name).to_owned(), (*outcome).to_owned());
    list.iter().map(own).collect()
}

/// Waits until a condition holds while a run continues.
pub fn wait_for(child: &mut Child, what: &str, is_true: impl Fn() -> bool) {
    let waited = wait::poll(Limit::within(SOON), || {
        if is_true() {
            return Some(());
        }
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        None
    });
    assert_eq!(waited, Ok(()), "{what}");
}

/// Starts a command without output.
pub fn spawn_silent(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Sends a signal, such as `-INT`, to a process.
pub fn signal(child: &Child, name: &str) {
    run(Command::new("kill").args([name, &child.id().to_string()]));
}
