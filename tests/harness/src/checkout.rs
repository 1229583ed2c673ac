//! A checkout that can be published: the real recipes and images, with small files in place of the
//! sources.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use plan::digest::Digest;

use crate::{copy, git, lock, parts, root, run, write, xtask};

/// The published architecture.
pub const ARCH: &str = "aarch64";

/// A checkout with git, a store, and a directory to publish to.
pub struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    /// Creates and commits everything that a release consists of.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let checkout = Self { dir };
        let own = checkout.root();
        for folder in ["recipes", "images", "guest-tests", "LICENSES"] {
            copy(&root().join(folder), &own.join(folder));
        }
        write(&own.join(".gitignore"), "/target\n");
        let manifest = "[package]\nname = \"none\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        write(&own.join("Cargo.toml"), manifest);
        write(&own.join("src/lib.rs"), "");
        let packages = "version = 4\n\n[[package]]\nname = \"none\"\nversion = \"0.1.0\"\n";
        write(&own.join("Cargo.lock"), packages);
        checkout.shrink_sources();
        checkout.lock_image();
        git(&own, &["init", "--quiet"]);
        git(&own, &["add", "--all"]);
        git(&own, &["commit", "--quiet", "--message", "all"]);
        checkout
    }

    /// The directory of the checkout.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    /// The directory to publish to.
    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
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
            let mut is_skipping = false;
            for line in text.lines() {
                if let Some(name) = line.strip_prefix("file = ") {
                    name.trim_matches('"').clone_into(&mut file);
                    write(&archives.join(&file), &file);
                }
                if line.starts_with("size = ") {
                    writeln!(shrunk, "size = {}", file.len()).unwrap();
                } else if line.starts_with("sha256 = ") {
                    let sum = Digest::of(file.as_bytes());
                    writeln!(shrunk, "sha256 = \"{sum}\"").unwrap();
                } else if line.starts_with("locations = ") {
                    let path = archives.join(&file);
                    writeln!(shrunk, "locations = [\"file://{}\"]", path.display()).unwrap();
                    is_skipping = !line.ends_with(']');
                } else if is_skipping {
                    is_skipping = line != "]";
                } else {
                    writeln!(shrunk, "{line}").unwrap();
                }
            }
            write(&recipe, shrunk);
        }
    }

    /// Updates the lock of the repository's image to the key of the changed recipes.
    fn lock_image(&self) {
        let args = ["images", "--plan", "--arch", ARCH, "--message-format=json"];
        let (code, out, err) = self.xtask(&args);
        assert_eq!(code, 0, "{err}");
        let lines = out.lines().map(serde_json::from_str::<serde_json::Value>);
        let mut lines = lines.map(Result::unwrap);
        let image = lines.find(|line| line["reason"] == "image").unwrap();
        let unpacked = self.dir.path().join("image");
        std::fs::create_dir(&unpacked).unwrap();
        let archive = self.root().join(format!("images/prebuilt/{ARCH}.tar.xz"));
        let mut tar = Command::new("tar");
        run(tar.arg("xf").arg(archive).arg("-C").arg(&unpacked));
        let files = std::fs::read_dir(unpacked).unwrap().map(|file| {
            let file = file.unwrap();
            let bytes = std::fs::read(file.path()).unwrap();
            (file.file_name().into_string().unwrap(), bytes)
        });
        let files: Vec<_> = files.collect();
        let files = files.iter().map(|(name, bytes)| (&**name, &**bytes));
        let lock = lock::text(ARCH, image["key"].as_str().unwrap(), files);
        write(&self.root().join("images/images.lock"), lock);
    }

    /// Runs the program offline in the checkout. Returns exit code, stdout and stderr.
    pub fn xtask(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = self.command("store");
        parts(command.arg("--offline").args(args).output().unwrap())
    }

    /// The program in the checkout with its own store.
    pub fn command(&self, store: &str) -> Command {
        let mut command = xtask();
        command
            .env("CARGO_MANIFEST_DIR", self.root().join("xtask"))
            .env("KILN_STORE", self.dir.path().join(store));
        command
    }

    /// `publish` to [`Self::tree`].
    pub fn publish(&self, more: &[&str]) -> (i32, String, String) {
        let tree = self.tree();
        let args = ["publish", "--arch", ARCH, "--to", tree.to_str().unwrap()];
        self.xtask(&[&args[..], more].concat())
    }
}

impl Default for Checkout {
    fn default() -> Self {
        Self::new()
    }
}
