//! `cargo xtask publish` and its companions from outside: a project with the real images, whose sources
//! are small files. Nothing here needs a network.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");
const ARCH: &str = "aarch64";

/// A checkout of its own, with git, a store, and a place to publish to.
struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let checkout = Self { dir };
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let root = checkout.root();
        std::fs::create_dir_all(root.join("src")).unwrap();
        for folder in ["recipes", "images", "guest-tests", "LICENSES"] {
            let (from, to) = (real.join(folder), root.join(folder));
            assert!(run(Command::new("cp").arg("-r").arg(from).arg(to)).0);
        }
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

    fn root(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    fn tree(&self) -> PathBuf {
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
    fn xtask(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(XTASK)
            .env_remove("KILN_MIRROR")
            .env_remove("CARGO_TERM_COLOR")
            .env("CARGO_MANIFEST_DIR", self.root().join("xtask"))
            .env("KILN_STORE", self.dir.path().join("store"))
            .env("NO_COLOR", "1")
            .arg("--offline")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        (code, text(output.stdout), text(output.stderr))
    }

    fn publish(&self, more: &[&str]) -> (i32, String, String) {
        let tree = self.tree();
        let words = ["publish", "--arch", ARCH, "--to", tree.to_str().unwrap()];
        self.xtask(&[&words[..], more].concat())
    }

    fn on_tree(&self, words: &[&str]) -> (i32, String, String) {
        let tree = self.tree();
        self.xtask(&[words, &[tree.to_str().unwrap()]].concat())
    }
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn has_qemu() -> bool {
    let binary = format!("qemu-system-{ARCH}");
    Command::new(binary).arg("--version").output().is_ok()
}

#[test]
fn a_release_is_published_checked_verified_and_withdrawn() {
    if !has_qemu() {
        eprintln!("skipped: there is no QEMU, so that an image could be shown to boot");
        return;
    }
    let checkout = Checkout::new();
    let (code, out, err) = checkout.publish(&["--version", "7"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("kiln-7 is at "), "{out}");

    let (code, out, err) = checkout.on_tree(&["mirror-check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("index 1: kiln-7;"), "{out}");
    let sums = checkout.tree().join("kiln-7");
    let (same, out) = run(Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(sums));
    assert!(same, "{out}");

    let (code, out, err) = checkout.on_tree(&["verify-release", "--no-build"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("images --from-source --verify --arch aarch64"),
        "{out}"
    );

    let kernel = checkout.tree().join("kiln-7").join(ARCH).join("kernel");
    std::fs::remove_file(&kernel).unwrap();
    std::fs::write(&kernel, "another").unwrap();
    let (code, out, err) = checkout.on_tree(&["mirror-check"]);
    assert_eq!(code, 102, "{out}{err}");
    assert!(
        out.contains("`kiln-7/aarch64/kernel` has the digest"),
        "{out}"
    );
    let (code, _, err) = checkout.publish(&["--version", "7"]);
    assert_eq!(code, 102, "{err}");
    assert!(
        err.contains("is published already, with other bytes"),
        "{err}"
    );

    let (code, _, err) = checkout.on_tree(&["unpublish", "kiln-7", "--from"]);
    assert_eq!(code, 0, "{err}");
    assert!(!checkout.tree().join("kiln-7").exists() && !checkout.tree().join("sources").exists());
    let (code, out, _) = checkout.on_tree(&["mirror-check"]);
    assert_eq!(
        (code, out.contains("nothing is published")),
        (0, true),
        "{out}"
    );
}

#[test]
fn what_is_dirty_unlicensed_or_unlocked_is_refused() {
    let checkout = Checkout::new();
    let check = |path: &str, text: Option<&str>, more: &[&str], why: &str, mends: &str| {
        let path = checkout.root().join(path);
        let before = std::fs::read(&path).ok();
        match text {
            None => std::fs::remove_file(&path).unwrap(),
            Some(text) => std::fs::write(&path, text).unwrap(),
        }
        let (code, _, err) = checkout.publish(&[&["--dry-run"], more].concat());
        assert!(
            code != 0 && err.contains(why) && err.contains(mends),
            "{code}: {err}"
        );
        match before {
            None => std::fs::remove_file(&path).unwrap(),
            Some(before) => std::fs::write(&path, before).unwrap(),
        }
    };
    let dirty: &[&str] = &["--allow-dirty"];
    check(
        "new",
        Some(""),
        &[],
        "changes that no commit holds: new",
        "--allow-dirty",
    );
    let text = "the text of the licence `MIT` of `musl` is missing";
    check(
        "LICENSES/MIT.txt",
        None,
        dirty,
        text,
        "put the text into LICENSES/MIT.txt",
    );
    let key = "keys = [\"x\"]\nthreshold = 1\n";
    check(
        "images/keys.toml",
        Some(key),
        dirty,
        "`images/keys.toml` is wrong",
        "no public key",
    );
    assert!(!checkout.tree().exists());
}

#[test]
fn a_dry_run_prints_the_release_and_writes_nothing() {
    let checkout = Checkout::new();
    let (code, out, err) = checkout.publish(&["--dry-run"]);
    assert_eq!(code, 0, "{err}");
    let phases: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut changes = phases.clone();
    changes.dedup();
    assert_eq!(changes, ["blobs", "sources", "directory", "sums"]);
    let at = |name: &str| out.find(name).unwrap();
    assert!(at("kiln-0.1.0-source.tar") < at("aarch64/kernel"), "{out}");
    assert!(!checkout.tree().exists());
}

#[test]
fn each_part_of_an_image_has_its_licence_and_source() {
    let checkout = Checkout::new();
    let (code, out, err) = checkout.xtask(&["legal", "--message-format=json"]);
    assert_eq!(code, 0, "{err}");
    let mut inside = Vec::new();
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["source"]
                .as_str()
                .is_some_and(|source| !source.is_empty()),
            "{line}"
        );
        if line["contained"] == true {
            inside.push(line["what"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(inside, ["busybox", "gcc", "guest-init", "linux", "musl"]);
}
