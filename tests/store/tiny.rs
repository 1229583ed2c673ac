//! A repository with two recipes: one copies a file from a source that the test's server has, and
//! the image is that file.

use std::path::PathBuf;
use std::process::Command;

use faults::{Answer, Server};
use harness::{copy, root, write, xtask};
use plan::digest::Digest;

/// A repository with one recipe, whose source a server has, and an image that is its output.
pub(crate) struct Tiny {
    home: tempfile::TempDir,
    pub(crate) server: Server,
}

impl Tiny {
    /// `product` is `image` or `toolchain`: whether the output is the same on every host.
    pub(crate) fn new(product: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let images = home.path().join("repo/images");
        for name in [
            "aarch64",
            "aarch64.toml",
            "common",
            "host-tools.toml",
            "keys.toml",
        ] {
            copy(&root().join("images").join(name), &images.join(name));
        }
        let mut archive = tar::Builder::new(Vec::new());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| at.to_le_bytes()[1]).collect();
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, "tiny/bytes", &bytes[..])
            .unwrap();
        let archive = archive.into_inner().unwrap();
        let (size, sha256) = (archive.len(), Digest::of(&archive));
        let tiny = Self {
            home,
            server: Server::play(vec![Answer::status("200 OK").bytes(archive)]),
        };
        let url = tiny.server.base();
        let head = "version = \"1\"\nlicense = \"MIT\"\nsummary = \"one file\"\nscope = \"arch\"\n";
        tiny.write("images/images.lock", "version = 1\n");
        tiny.write(
            "recipes/image/recipe.toml",
            &format!(
                "name = \"image\"\nproduct = \"image\"\n{head}[gather]\n\
                 kernel = {{ recipe = \"toolchain\", path = \"kernel\" }}\n"
            ),
        );
        tiny.write(
            "recipes/toolchain/recipe.toml",
            &format!(
                "name = \"toolchain\"\nproduct = \"{product}\"\n{head}script = \"build.sh.hbs\"\n\
                 [[source]]\nname = \"tiny\"\nfile = \"tiny.tar\"\nsize = {size}\n\
                 sha256 = \"{sha256}\"\nlocations = [\"{url}/tiny.tar\"]\n"
            ),
        );
        tiny.write(
            "recipes/toolchain/build.sh.hbs",
            "sleep 0.3\ncp \"$SRC/tiny/bytes\" \"$OUT/kernel\"\n",
        );
        tiny
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.home.path().join("repo").join(path), text);
    }

    /// The store of a name.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program with a store.
    pub(crate) fn xtask(&self, store: &str, args: &[&str]) -> Command {
        let mut command = xtask();
        command
            .env("CARGO_MANIFEST_DIR", self.home.path().join("repo/xtask"))
            .env("KILN_STORE", self.store(store))
            .env("KILN_DEBIAN_MIRROR", self.server.base())
            .args(args)
            .args(["--arch", "aarch64"]);
        command
    }
}
