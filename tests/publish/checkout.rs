//! A checkout that can be published: the real recipes and images, and small files in place of the sources.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::told::told;

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");
pub(crate) const ARCH: &str = "aarch64";

/// A checkout of its own, with git, a store, and a place to publish to.
pub(crate) struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let checkout = Self { dir };
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = checkout.root();
        std::fs::create_dir_all(root.join("src")).unwrap();
        for folder in ["recipes", "images", "guest-tests", "LICENSES"] {
            let (from, to) = (real.join(folder), root.join(folder));
            assert!(run(Command::new("cp").arg("-r").arg(from).arg(to)).0);
        }
        std::fs::write(root.join(".gitignore"), "/target\n").unwrap();
        let manifest = "[package]\nname = \"none\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(root.join("src/lib.rs"), "").unwrap();
        let lock = "version = 4\n\n[[package]]\nname = \"none\"\nversion = \"0.1.0\"\n";
        std::fs::write(root.join("Cargo.lock"), lock).unwrap();
        checkout.shrink_sources();
        checkout.lock_again();
        checkout.git(&["init", "--quiet"]);
        checkout.git(&["add", "--all"]);
        checkout.git(&["commit", "--quiet", "--message", "all"]);
        checkout
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
        let (done, out) = run(git.args(arguments).current_dir(self.root()));
        assert!(done, "{out}");
    }

    /// Replaces every source by a small file of the same name.
    fn shrink_sources(&self) {
        let archives = self.dir.path().join("archives");
        std::fs::create_dir(&archives).unwrap();
        for folder in std::fs::read_dir(self.root().join("recipes")).unwrap() {
            let recipe = folder.unwrap().path().join("recipe.toml");
            let text = std::fs::read_to_string(&recipe).unwrap();
            let mut shrunk = String::new();
            let mut file = String::new();
            let mut skipping = false;
            for line in text.lines() {
                if let Some(name) = line.strip_prefix("file = ") {
                    name.trim_matches('"').clone_into(&mut file);
                    std::fs::write(archives.join(&file), &file).unwrap();
                }
                if line.starts_with("size = ") {
                    writeln!(shrunk, "size = {}", file.len()).unwrap();
                } else if line.starts_with("sha256 = ") {
                    let (_, sum) = run(Command::new("sha256sum").arg(archives.join(&file)));
                    let sum = sum.split(' ').next().unwrap();
                    writeln!(shrunk, "sha256 = \"{sum}\"").unwrap();
                } else if line.starts_with("locations = ") {
                    let place = archives.join(&file);
                    writeln!(shrunk, "locations = [\"file://{}\"]", place.display()).unwrap();
                    skipping = !line.ends_with(']');
                } else if skipping {
                    skipping = line != "]";
                } else {
                    writeln!(shrunk, "{line}").unwrap();
                }
            }
            std::fs::write(recipe, shrunk).unwrap();
        }
    }

    /// Locks the image in the repository under the key of the changed recipes.
    fn lock_again(&self) {
        let (code, out, err) =
            self.xtask(&["images", "--plan", "--arch", ARCH, "--message-format=json"]);
        assert_eq!(code, 0, "{err}");
        let lines = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let image = lines
            .into_iter()
            .find(|line| line["reason"] == "image")
            .unwrap();
        let key = image["key"].as_str().unwrap();
        let mut lock = format!("version = 1\n\n[[image]]\narch = \"{ARCH}\"\nkey = \"{key}\"\n");
        let unpacked = self.dir.path().join("image");
        std::fs::create_dir(&unpacked).unwrap();
        let archive = self.root().join(format!("images/prebuilt/{ARCH}.tar.xz"));
        let (done, out) = run(Command::new("tar")
            .arg("xf")
            .arg(archive)
            .arg("-C")
            .arg(&unpacked));
        assert!(done, "{out}");
        for file in std::fs::read_dir(unpacked).unwrap() {
            let file = file.unwrap();
            let (_, sum) = run(Command::new("sha256sum").arg(file.path()));
            let (name, size) = (file.file_name(), file.metadata().unwrap().len());
            let (name, sum) = (name.to_str().unwrap(), sum.split(' ').next().unwrap());
            let facts = format!("name = \"{name}\"\nsize = {size}\nsha256 = \"{sum}\"\n");
            write!(lock, "\n[[image.file]]\n{facts}").unwrap();
        }
        std::fs::write(self.root().join("images/images.lock"), lock).unwrap();
    }

    /// Runs in the checkout: exit code, stdout, stderr.
    pub(crate) fn xtask(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = self.command("store");
        told(command.arg("--offline").args(args).output().unwrap())
    }

    /// The program in the checkout, with a store of its own.
    pub(crate) fn command(&self, store: &str) -> Command {
        let mut command = Command::new(XTASK);
        for name in ["KILN_MIRROR", "CARGO_TERM_COLOR", "http_proxy"] {
            command.env_remove(name);
        }
        command
            .env("CARGO_MANIFEST_DIR", self.root().join("xtask"))
            .env("KILN_STORE", self.dir.path().join(store))
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("NO_COLOR", "1");
        command
    }

    pub(crate) fn publish(&self, more: &[&str]) -> (i32, String, String) {
        let tree = self.tree();
        let words = ["publish", "--arch", ARCH, "--to", tree.to_str().unwrap()];
        self.xtask(&[&words[..], more].concat())
    }
}

pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
