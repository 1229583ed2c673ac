//! A small repository with a store, and how its sources and images are made up.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use plan::digest::Digest;
use serde_json::Value;

use crate::told::told;

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// The one architecture.
pub(crate) const ARCH: &str = "alpha";

const FACTS: &str = r#"
arch = "alpha"
triple = "alpha-linux-musl"
endian = "big"
bits = 64
[gcc]
configure = ["--one"]
[linux]
arch = "alpha"
target = "vmlinux"
image = "vmlinux"
[qemu]
binary = "qemu-system-alpha"
native = ["alpha"]
machine = "virt"
memory = "256M"
boot-timeout = "20s"
kvm-timeout-factor = 0.5
[qemu.machines.virt]
control = "virtio-serial-pci"
virtio = "pci"
[qemu.ordinary]
kernel = "plain"
"#;

const TOOLS: &str = "epoch = 1752537600\nbase = [\"sh\", \"cat\"]\n";

const IMAGE: &str = r#"
name = "image"
version = "1"
license = "GPL-2.0-only"
summary = "image"
scope = "arch"
product = "image"
[gather]
kernel = { recipe = "parts", path = "kernel" }
"#;

const PARTS: &str = r#"
name = "parts"
version = "1"
license = "GPL-2.0-only"
summary = "parts"
scope = "arch"
product = "image"
script = "build.sh.hbs"
"#;

const SCRIPT: &str = "cat \"$SRC\"/*/part >\"$OUT/kernel\"\n";

/// A source file and where it is available.
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) locations: Vec<String>,
}

/// The repository, and stores next to it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// How a command ended, and what it printed.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// Runs a command to its end.
    pub(crate) fn by(command: &mut Command) -> Self {
        let (code, stdout, stderr) = told(command.output().unwrap());
        Self {
            code,
            stdout,
            stderr,
        }
    }

    /// The objects with this reason.
    pub(crate) fn lines(&self, reason: &str) -> Vec<Value> {
        let lines = self.stdout.lines();
        let objects = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        objects.filter(|line| line["reason"] == reason).collect()
    }
}

impl Place {
    /// Whose image is built of these sources.
    pub(crate) fn new(sources: &[Source]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir };
        let mut parts = PARTS.to_owned();
        for (at, source) in sources.iter().enumerate() {
            let Source {
                file,
                bytes,
                locations,
            } = source;
            let (size, sum) = (bytes.len(), Digest::of(bytes));
            write!(
                parts,
                "\n[[source]]\nname = \"s{at}\"\nfile = \"{file}\"\nsize = {size}\n\
                 sha256 = \"{sum}\"\nlocations = {locations:?}\n"
            )
            .unwrap();
        }
        place.write("images/host-tools.toml", TOOLS);
        place.write(&format!("images/{ARCH}.toml"), FACTS);
        place.write("recipes/image/recipe.toml", IMAGE);
        place.write("recipes/parts/recipe.toml", &parts);
        place.write("recipes/parts/build.sh.hbs", SCRIPT);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join("repository").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The text of a file of the repository.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join("repository").join(path)).unwrap()
    }

    /// Replaces a text that a file of the repository has once.
    pub(crate) fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{text}");
        self.write(path, &text.replace(old, new));
    }

    /// Locks an image of these files, as if it had been built.
    pub(crate) fn lock(&self, files: &[(&str, &[u8])]) {
        let args = ["images", "--plan", "--message-format=json"];
        let told = self.run("no-store", &args);
        let key = told.lines("image")[0]["key"].clone();
        let mut lock = format!("version = 1\n\n[[image]]\narch = \"{ARCH}\"\nkey = {key}\n");
        for (name, bytes) in files {
            let (size, sum) = (bytes.len(), Digest::of(bytes));
            write!(
                lock,
                "\n[[image.file]]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{sum}\"\n"
            )
            .unwrap();
        }
        self.write("images/images.lock", &lock);
    }

    /// The program, in the repository, with a store of this name and nobody else's settings.
    pub(crate) fn xtask(&self, store: &str, args: &[&str]) -> Command {
        let mut command = Command::new(XTASK);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        for name in [
            "KILN_MIRROR",
            "CARGO_NET_OFFLINE",
            "CARGO_TERM_COLOR",
            "SSL_CERT_FILE",
        ] {
            command.env_remove(name);
        }
        command
            .env("CARGO_MANIFEST_DIR", self.path().join("repository/xtask"))
            .env("KILN_STORE", self.path().join(store))
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env("KILN_DEBIAN_MIRROR", "http://mirror.invalid")
            .env("KILN_DEBIAN_SNAPSHOT", "http://snapshot.invalid")
            .env("CARGO_HTTP_TIMEOUT", "2")
            .env("NO_COLOR", "1")
            .args(args);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, store: &str, args: &[&str]) -> Told {
        Told::by(&mut self.xtask(store, args))
    }

    /// What a store has under the digest of these bytes.
    pub(crate) fn blob(&self, store: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let blobs = self.path().join(store).join("v1/blobs/sha256");
        std::fs::read(blobs.join(Digest::of(bytes).to_string())).ok()
    }

    /// The downloads that a store has begun.
    pub(crate) fn parts(&self, store: &str) -> Vec<PathBuf> {
        let parts = std::fs::read_dir(self.path().join(store).join("v1/part")).unwrap();
        parts.map(|part| part.unwrap().path()).collect()
    }
}

/// Bytes that are others for each `seed`, and `length` of them.
pub(crate) fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let word = |at: usize| format!("{seed} at {at}\n").into_bytes();
    let mut bytes: Vec<u8> = (0..=length / 5).flat_map(word).collect();
    bytes.truncate(length);
    bytes
}
