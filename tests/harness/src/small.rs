//! A repository with one architecture, whose image is made of a few source files. For tests of
//! downloads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use plan::digest::Digest;

use crate::{Output, lock, write, xtask};

/// The one architecture.
pub const ARCH: &str = "alpha";

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

/// A source file and its locations.
pub struct Source {
    /// Its name.
    pub file: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// The locations, as in a recipe.
    pub locations: Vec<String>,
}

/// The repository, and stores next to it.
pub struct SmallRepo {
    dir: tempfile::TempDir,
}

impl SmallRepo {
    /// Creates a repository whose image is built from these sources.
    pub fn new(sources: &[Source]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Self { dir };
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
        repo.write("images/host-tools.toml", TOOLS);
        repo.write(&format!("images/{ARCH}.toml"), FACTS);
        repo.write("recipes/image/recipe.toml", IMAGE);
        repo.write("recipes/parts/recipe.toml", &parts);
        repo.write("recipes/parts/build.sh.hbs", SCRIPT);
        repo
    }

    /// The directory of the repository and the stores.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, text: &str) {
        write(&self.path().join("repository").join(path), text);
    }

    /// The text of a file of the repository.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join("repository").join(path)).unwrap()
    }

    /// Replaces a text that occurs once in a file of the repository.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{text}");
        self.write(path, &text.replace(old, new));
    }

    /// Locks an image of these files, as if it had been built.
    pub fn lock(&self, files: &[(&str, &[u8])]) {
        let args = ["images", "--plan", "--message-format=json"];
        let image = &self.run("no-store", &args).lines("image")[0];
        let lock = lock::text(ARCH, image["key"].as_str().unwrap(), files.iter().copied());
        self.write("images/images.lock", &lock);
    }

    /// The program in the repository with a store of this name. No Debian server is contacted.
    pub fn xtask(&self, store: &str, args: &[&str]) -> Command {
        let mut command = xtask();
        command
            .env("CARGO_MANIFEST_DIR", self.path().join("repository/xtask"))
            .env("KILN_STORE", self.path().join(store))
            .env("KILN_DEBIAN_MIRROR", "http://mirror.invalid")
            .env("KILN_DEBIAN_SNAPSHOT", "http://snapshot.invalid")
            .env("CARGO_HTTP_TIMEOUT", "2")
            .args(args);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, store: &str, args: &[&str]) -> Output {
        Output::of(&mut self.xtask(store, args))
    }

    /// The blob with the digest of these bytes in a store.
    pub fn blob(&self, store: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        let blobs = self.path().join(store).join("v1/blobs/sha256");
        std::fs::read(blobs.join(Digest::of(bytes).to_string())).ok()
    }

    /// The unfinished downloads of a store.
    pub fn parts(&self, store: &str) -> Vec<PathBuf> {
        let parts = std::fs::read_dir(self.path().join(store).join("v1/part")).unwrap();
        parts.map(|part| part.unwrap().path()).collect()
    }
}

/// Returns `length` bytes that depend on `seed`.
pub fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let line = |at: usize| format!("{seed} at {at}\n").into_bytes();
    let mut bytes: Vec<u8> = (0..=length / 5).flat_map(line).collect();
    bytes.truncate(length);
    bytes
}
