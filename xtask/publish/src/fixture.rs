//! A small project whose releases the tests publish.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use plan::Project;
use plan::digest::Digest;

use crate::bundle::{self, Parts};
use crate::crates::Crate;
use crate::perform::Authority;
use crate::release::{self, Blob, Inputs, Release};
use crate::repository::{Kind, Repository, RepositoryFile};
use crate::sign::Keys;
use crate::tree_reader::Directory;

/// A project that releases one small image from one small source.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Self { dir };
        for folder in ["tree", "vendor", "repository/images"] {
            fs_err::create_dir_all(fixture.path(folder)).unwrap();
        }
        for file in ["Cargo.lock", "images/images.lock"] {
            fs_err::write(fixture.path("repository").join(file), file).unwrap();
        }
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    pub(crate) fn tree(&self) -> Directory {
        Directory(self.path("tree"))
    }

    fn blob(&self, name: &str, bytes: &[u8]) -> Blob {
        let path = self.path(name);
        fs_err::write(&path, bytes).unwrap();
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        Blob { digest, size, path }
    }

    pub(crate) fn release(&self, version: &str, kernel: &str) -> Release {
        let source = self.blob("a.tar", b"source");
        let files = BTreeMap::from([
            ("kernel".to_owned(), self.blob(kernel, kernel.as_bytes())),
            (
                "initramfs.cpio".to_owned(),
                self.blob("initramfs", b"files"),
            ),
            ("device-tree".to_owned(), self.blob("device-tree", b"tree")),
        ]);
        let programs = BTreeMap::from([("console".to_owned(), self.blob("console", b"program"))]);
        let project = project(&source, &files, &programs);
        let arches = vec!["riscv".to_owned()];
        let plan = project.plan(&arches).unwrap();
        let file = |path: &str| RepositoryFile {
            path: path.to_owned(),
            kind: Kind::Plain,
        };
        let repository = Repository {
            root: self.path("repository"),
            commit: "0".repeat(40),
            files: vec![file("Cargo.lock"), file("images/images.lock")],
        };
        let sources = BTreeMap::from([("a.tar".to_owned(), source)]);
        let parts = Parts {
            version,
            repository: &repository,
            sources: &sources,
            vendor: &self.path("vendor"),
        };
        let path = self.path(&format!("{version}.tar"));
        let (size, digest) = bundle::write(&parts, fs_err::File::create(&path).unwrap()).unwrap();
        // The same parts give the same bytes.
        assert_eq!(bundle::write(&parts, io::sink()).unwrap(), (size, digest));
        release::plan(&Inputs {
            project: &project,
            plan: &plan,
            version,
            commit: &repository.commit,
            images: &BTreeMap::from([("riscv".to_owned(), files)]),
            programs: &BTreeMap::from([("riscv".to_owned(), programs)]),
            sources: &sources,
            licences: &["MIT", "GPL-2.0-or-later"]
                .map(|id| (id.to_owned(), id.into()))
                .into(),
            crates: &[Crate {
                name: "one".to_owned(),
                version: "1.2.3".to_owned(),
                license: "Zlib".to_owned(),
            }],
            bundle: &Blob { digest, size, path },
            url: Some("https://example.org/kiln"),
        })
        .unwrap()
    }
}

const ARCH: &str = r#"
arch = "riscv"
triple = "riscv-linux-musl"
endian = "little"
bits = 64
[gcc]
[archive]
[linux]
arch = "riscv"
target = "Image"
image = "Image"
[qemu]
binary = "qemu-system-riscv"
native = []
machine = "virt"
memory = "128M"
boot-timeout = "10s"
kvm-timeout-factor = 0.5
append = "quiet"
[qemu.machines.virt-old]
name = "virt-1.0"
options = ["x=on"]
tcg-options = ["y=off"]
cpu = "old"
append = "slow"
args = ["-icount", "1"]
control = "virtio-serial-device"
virtio = "device"
[qemu.ordinary]
kernel = "plain"
append = ""
[qemu.machines.virt]
control = "virtio-serial-device"
virtio = "device"
"#;

/// The project, with `image` and `programs` in the lock.
fn project(
    source: &Blob,
    image: &BTreeMap<String, Blob>,
    programs: &BTreeMap<String, Blob>,
) -> Project {
    let linux = format!(
        "name = \"linux\"\nversion = \"6\"\nlicense = \"MIT\"\nsummary = \"the kernel\"\n\
         scope = \"arch\"\nproduct = \"image\"\nscript = \"build.sh.hbs\"\n\
         [[source]]\nname = \"linux\"\nfile = \"a.tar\"\nsize = {}\nsha256 = \"{}\"\n\
         locations = [\"https://example.com/a.tar\"]\n",
        source.size, source.digest
    );
    let recipe = "name = \"image\"\nversion = \"1\"\nlicense = \"MIT\"\nsummary = \"what boots\"\n\
         scope = \"arch\"\nproduct = \"image\"\n\
         [gather]\nkernel = { recipe = \"linux\", path = \"kernel\" }\n\
         \"initramfs.cpio\" = { recipe = \"linux\", path = \"initramfs.cpio\" }\n\
         device-tree = { recipe = \"linux\", path = \"device-tree\" }\n";
    let bare = "name = \"bare\"\nversion = \"1\"\nlicense = \"GPL-2.0-or-later\"\nsummary = \"programs\"\n\
         scope = \"arch\"\nproduct = \"image\"\n\
         [gather]\nconsole = { recipe = \"linux\", path = \"console\" }\n";
    let mut files: BTreeMap<Utf8PathBuf, Vec<u8>> = [
        ("images/riscv.toml", ARCH.to_owned()),
        (
            "images/host-tools.toml",
            "epoch = 1000000000\nbase = [\"sh\"]\n".to_owned(),
        ),
        ("images/keys.toml", "keys = []\n".to_owned()),
        ("recipes/linux/recipe.toml", linux),
        ("recipes/linux/build.sh.hbs", "true\n".to_owned()),
        ("recipes/image/recipe.toml", recipe.to_owned()),
        ("recipes/bare/recipe.toml", bare.to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| (path.into(), text.into_bytes()))
    .collect();
    let load = |files: &BTreeMap<_, _>| plan::load(files).unwrap();
    let plan = load(&files).plan(&["riscv".to_owned()]).unwrap();
    let entries = |recipe: &str, files: &BTreeMap<String, Blob>| {
        let key = plan.step(plan.find(recipe, Some("riscv")).unwrap()).key;
        let head = format!("[[{recipe}]]\narch = \"riscv\"\nkey = \"{key}\"\n");
        let files = files.iter().map(|(name, Blob { digest, size, .. })| {
            format!("[[{recipe}.file]]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{digest}\"\n")
        });
        head + &files.collect::<String>()
    };
    let (image, programs) = (entries("image", image), entries("bare", programs));
    let lock = format!("version = 1\n{image}{programs}");
    files.insert("images/images.lock".into(), lock.into_bytes());
    load(&files)
}

/// Keys of which none is required, with a time.
pub(crate) fn unsigned(keys: &Keys) -> Authority<'_> {
    Authority {
        keys,
        signers: &[],
        now: 1_000_000_000,
    }
}
