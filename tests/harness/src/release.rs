//! A small release. Its only source archive contains the files of a real image, so that it boots,
//! and its recipe copies them, so that it is built in a second. Its `xtask` is a program with one
//! crate, which cargo builds from the bundle like ours, and which then executes ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use plan::digest::Digest;

use crate::{copy, git, parts, qemu, root, run, write, xtask, xtask_path};

/// The architecture of the release.
pub const ARCH: &str = "aarch64";

/// The name of the release.
pub const RELEASE: &str = "kiln-7";

const RECIPE: &str = "\
license = \"GPL-2.0-only\"
scope = \"arch\"
product = \"image\"
";

const IMAGE: &str = "\
name = \"image\"
version = \"1\"
summary = \"what boots\"

[gather]
kernel = { recipe = \"linux\", path = \"kernel\" }
config = { recipe = \"linux\", path = \"config\" }
\"initramfs.cpio\" = { recipe = \"linux\", path = \"initramfs.cpio\" }
";

const PROGRAMS: &str = "\
name = \"bare\"
version = \"1\"
summary = \"bare-metal programs\"

[gather]
console = { recipe = \"linux\", path = \"console\" }
";

/// A patch with an origin that changes the first line.
const PATCH: &str = "\
Origin: Kiln; so that there is one

--- a/config
+++ b/config
@@ -1 +1 @@
-# the configuration
+# the configuration, patched
";

/// The properties of the image.
#[derive(Debug, Clone, Copy)]
pub struct Make {
    /// The end of the build script.
    pub script: &'static str,
    /// Whether the image can boot.
    pub boots: bool,
}

/// A correct release.
pub const SOUND: Make = Make {
    script: "",
    boots: true,
};

/// Why no image can be booted on this host. A release then cannot be published.
pub fn missing_qemu() -> Option<String> {
    (!qemu::is_installed(ARCH)).then(|| format!("missing `{}`", qemu::binary(ARCH)))
}

/// The tree that other trees are copied from.
static SOUND_TREE: Mutex<Option<Release>> = Mutex::new(None);

/// Removes the files shared by all tests of this process.
pub fn clean() {
    let mut first = SOUND_TREE.lock().unwrap_or_else(PoisonError::into_inner);
    drop(first.take());
}

/// A checkout, the release published from it, and stores.
pub struct Release {
    dir: tempfile::TempDir,
}

impl Release {
    /// A checkout with a built and locked image.
    pub fn new(make: Make) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let release = Self { dir };
        release.write_program();
        release.write_recipes(make);
        let checkout = release.path("checkout");
        git(&checkout, &["init", "--quiet"]);
        git(&checkout, &["add", "--all"]);
        // The lock is written from the recipes.
        let (code, _, err) = release.in_checkout(&["images", "--from-source", "--arch", ARCH]);
        assert_eq!(code, 0, "{err}");
        git(&checkout, &["add", "--all"]);
        git(&checkout, &["commit", "--quiet", "--message", "all"]);
        release
    }

    /// A separate copy of a correct published tree, without a checkout.
    pub fn sound() -> Self {
        let mut first = SOUND_TREE.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert_with(|| Self::published(SOUND));
        let dir = tempfile::tempdir().unwrap();
        let release = Self { dir };
        copy(&first.path("tree"), &release.path("tree"));
        release
    }

    /// Publishes the release and keeps only the tree.
    pub fn published(make: Make) -> Self {
        let release = Self::new(make);
        let (code, _, err) = release.publish();
        assert_eq!(code, 0, "{err}");
        for gone in ["checkout", "archive", "store"] {
            std::fs::remove_dir_all(release.path(gone)).unwrap();
        }
        release
    }

    /// A directory: `checkout`, `tree`, `archive`, or a store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of the release.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path("tree").join(RELEASE).join(name)
    }

    /// Runs `publish` from the checkout into the tree. Returns exit code, stdout and stderr.
    pub fn publish(&self) -> (i32, String, String) {
        let tree = self.path("tree");
        let place = ["--to", tree.to_str().unwrap()];
        let words = ["publish", "--arch", ARCH, "--version", "7"];
        self.in_checkout(&[&words[..], &place].concat())
    }

    fn in_checkout(&self, words: &[&str]) -> (i32, String, String) {
        let mut xtask = self.xtask("store");
        xtask.env("CARGO_MANIFEST_DIR", self.path("checkout/xtask"));
        parts(xtask.args(words).output().unwrap())
    }

    /// Like [`Self::online`], but offline.
    pub fn xtask(&self, store: &str) -> Command {
        let mut xtask = self.online(store);
        xtask.arg("--offline");
        xtask
    }

    /// The program with a store of this name and without the caller's settings.
    pub fn online(&self, store: &str) -> Command {
        let mut xtask = xtask();
        xtask.env("KILN_STORE", self.path(store));
        xtask
    }

    /// `verify-release` of the tree, run in another checkout than that of the release.
    pub fn verifying(&self, more: &[&str]) -> Command {
        let mut xtask = self.xtask("verifier");
        xtask
            .arg("verify-release")
            .arg(self.path("tree"))
            .args(more);
        xtask
    }

    /// Runs `verify-release`. Returns exit code, stdout and stderr.
    pub fn verify(&self, more: &[&str]) -> (i32, String, String) {
        parts(self.verifying(more).output().unwrap())
    }

    /// Writes and commits a file of the checkout.
    pub fn commit(&self, path: &str, text: &str) {
        self.write(path, text);
        let args = ["commit", "--quiet", "--all", "--message", path];
        git(&self.path("checkout"), &args);
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.path("checkout").join(path), text);
    }

    /// A workspace with one crate that has one locked dependency, like ours.
    fn write_program(&self) {
        let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
        let mut packages = lock.split("\n[[package]]\n");
        let found = packages.find(|package| package.starts_with("name = \"cfg-if\""));
        let found = found.unwrap().trim_end();
        self.write(
            "Cargo.lock",
            &format!(
                "version = 4\n\n[[package]]\n{found}\n\n[[package]]\nname = \"xtask\"\n\
                 version = \"0.1.0\"\ndependencies = [\n \"cfg-if\",\n]\n"
            ),
        );
        self.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"xtask\"]\n",
        );
        self.write(
            "xtask/Cargo.toml",
            "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\ncfg-if = \"1\"\n",
        );
        let path = xtask_path().to_str().unwrap();
        let program = format!(
            "use std::os::unix::process::CommandExt;\n\
             fn main() {{\n    cfg_if::cfg_if! {{ if #[cfg(unix)] {{\n        \
             let words = std::env::args_os().skip(1);\n        \
             panic!(\"{{}}\", std::process::Command::new({path:?}).args(words).exec());\n    }} }}\n}}\n"
        );
        self.write("xtask/src/main.rs", &program);
    }

    fn write_recipes(&self, make: Make) {
        // Other tests refer to architectures that do not exist in this repository.
        for path in ["guest-tests/boot/true.sh", "guest-tests/lib", "LICENSES"] {
            copy(&root().join(path), &self.path("checkout").join(path));
        }
        let arch = format!("images/{ARCH}.toml");
        let text = std::fs::read_to_string(root().join(&arch)).unwrap();
        self.write(&arch, &text);
        self.write("images/keys.toml", "keys = []\n");
        self.write("images/images.lock", "version = 1\n");
        let tools = "epoch = 1000000000\nbase = [\"sh\", \"cat\", \"cp\"]\n";
        self.write("images/host-tools.toml", tools);
        let archive = self.pack(make);
        let (size, sum) = (std::fs::metadata(&archive).unwrap().len(), sha256(&archive));
        let place = archive.display();
        self.write(
            "recipes/linux/recipe.toml",
            &format!(
                "name = \"linux\"\nversion = \"6\"\nsummary = \"the guest's kernel\"\n{RECIPE}\
                 script = \"build.sh.hbs\"\n\n[[source]]\nname = \"linux\"\nfile = \"linux.tar\"\n\
                 size = {size}\nsha256 = \"{sum}\"\nlocations = [\"file://{place}\"]\n\
                 patches = [\"patches/0001-first-line.patch\"]\n"
            ),
        );
        self.write("recipes/linux/patches/0001-first-line.patch", PATCH);
        let script = "cp \"$SRC\"/linux/* \"$OUT\"\n";
        self.write(
            "recipes/linux/build.sh.hbs",
            &format!("{script}{}", make.script),
        );
        for (name, text) in [("image", IMAGE), ("bare", PROGRAMS)] {
            let (head, gather) = text.split_once("\n[").unwrap();
            let recipe = format!("{head}{RECIPE}\n[{gather}");
            self.write(&format!("recipes/{name}/recipe.toml"), &recipe);
        }
    }

    /// The source archive, which contains the files of a real image.
    fn pack(&self, make: Make) -> PathBuf {
        let tree = self.path("archive/linux");
        std::fs::create_dir_all(&tree).unwrap();
        let image = root().join(format!("images/prebuilt/{ARCH}.tar.xz"));
        run(Command::new("tar")
            .arg("xf")
            .arg(image)
            .arg("-C")
            .arg(&tree));
        let config = "# the configuration\nCONFIG_ARM64=y\n";
        std::fs::write(tree.join("config"), config).unwrap();
        std::fs::write(tree.join("console"), "a program\n").unwrap();
        if !make.boots {
            std::fs::write(tree.join("initramfs.cpio"), "nothing to boot into").unwrap();
        }
        let archive = self.path("archive/linux.tar");
        run(Command::new("tar")
            .arg("cf")
            .arg(&archive)
            .args(["--sort=name", "--mtime=@0", "linux"])
            .current_dir(self.path("archive")));
        archive
    }
}

/// The SHA-256 of a file.
pub fn sha256(path: &Path) -> String {
    Digest::of(&std::fs::read(path).unwrap()).to_string()
}
