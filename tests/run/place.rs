//! A repository of a test's own: the images of the real one, tests as the caller wants them, an empty
//! store, a place for scratch.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The repository and what it is used with; gone when dropped.
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
    /// With the evil tests.
    pub(crate) fn evil() -> Self {
        let place = Self::empty();
        copy(&root().join("tests/evil"), &place.tests().join("evil"));
        place
    }

    /// With these tests, each `area/name` and its script, in which `@DIR@` is this place.
    pub(crate) fn with(tests: &[(&str, &str)]) -> Self {
        let place = Self::empty();
        for (name, script) in tests {
            let path = place.tests().join(name).with_extension("sh");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let script = script.replace("@DIR@", place.path().to_str().unwrap());
            std::fs::write(path, script).unwrap();
        }
        place
    }

    fn empty() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("kr")
            .tempdir_in("/tmp")
            .unwrap();
        for folder in ["recipes", "images", "guest-tests/lib"] {
            let to = dir.path().join("repo").join(folder);
            copy(&root().join(folder), &to);
        }
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn tests(&self) -> PathBuf {
        self.path().join("repo/guest-tests")
    }

    /// Where runs are kept.
    pub(crate) fn runs(&self) -> PathBuf {
        self.path().join("repo/target/kiln/runs")
    }

    pub(crate) fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        command
            .env_remove("KILN_QEMU")
            .env_remove("XDG_RUNTIME_DIR")
            .env("NO_COLOR", "1")
            .env("KILN_STORE", self.path().join("store"))
            .env("TMPDIR", self.tmp())
            .env("CARGO_MANIFEST_DIR", self.path().join("repo/xtask"))
            .args(args);
        command
    }

    /// Runs to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Told {
        let Output {
            status,
            stdout,
            stderr,
        } = self.xtask(args).output().unwrap();
        Told {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs `test` on an architecture to its end, and gives what it says as JSON.
    pub(crate) fn test(&self, arch: &str, args: &[&str]) -> (i32, Vec<serde_json::Value>) {
        let fixed = [
            "test",
            "--offline",
            "--arch",
            arch,
            "--message-format",
            "json",
        ];
        let told = self.run(&[&fixed, args].concat());
        let lines = told.stdout.lines();
        let events: Vec<_> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(!events.is_empty(), "{}", told.stderr);
        (told.code, events)
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Processes whose command line names this place.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = self.path().to_str().unwrap();
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let line = std::fs::read(entry.unwrap().path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(mark)).collect()
    }

    pub(crate) fn wait_until_quiet(&self) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && !self.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.processes()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let status = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// An architecture whose QEMU is here and whose image is in the repository.
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
pub(crate) fn arch() -> Option<String> {
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
