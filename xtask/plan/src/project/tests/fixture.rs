//! A small valid repository: two architectures, and a recipe of every kind.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::super::{Project, load};
use crate::diagnostic::show;
use crate::step::Plan;

pub(super) type Files = BTreeMap<Utf8PathBuf, Vec<u8>>;

pub(super) const ARCH: &str = r#"
arch = "NAME"
triple = "NAME-linux-musl"
endian = "big"
bits = 64
[gcc]
configure = ["--one", "--two=NAME"]
[linux]
arch = "kernel-NAME"
target = "vmlinux"
image = "vmlinux"
[qemu]
binary = "qemu-system-NAME"
native = ["NAME"]
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

pub(super) const GMP: &str = r#"
name = "gmp"
version = "6.3.0"
license = "LGPL-3.0-or-later"
summary = "numbers"
scope = "common"
product = "toolchain"
script = "build.sh.hbs"
tools = ["m4"]

[[source]]
name = "gmp"
file = "gmp.tar.xz"
size = 10
sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
inner = { file = "gmp/inner.tar.xz" }
locations = ["debian:pool/main/g/gmp/gmp.tar.xz", "https://example.org/gmp.tar.xz"]
patches = ["patches/0001-doc.patch"]
"#;

pub(super) const GCC: &str = r#"
name = "gcc"
version = "14.2.0"
license = "GPL-3.0-or-later"
summary = "compiler"
scope = "arch"
product = "toolchain"
script = "build.sh.hbs"
inputs = [{ recipe = "gmp" }]

[[source]]
name = "gcc"
file = "gcc.tar.xz"
size = 10
sha256 = "0000000000000000000000000000000000000000000000000000000000000002"
strip = 2
locations = ["file:///srv/gcc.tar.xz"]
"#;

pub(super) const LINUX_CONFIG: &str = r#"
name = "linux-config"
version = "6.12"
license = "GPL-2.0-only"
summary = "config"
scope = "arch"
product = "image"
script = "build.sh.hbs"
sources-from = "linux"
inputs = [{ recipe = "gcc", at = "tc" }]
files = ["images/{{arch}}/linux.fragment"]
frozen = [{ output = "config", file = "images/{{arch}}/linux.config" }]
"#;

pub(super) const LINUX: &str = r#"
name = "linux"
version = "6.12"
license = "GPL-2.0-only"
summary = "kernel"
scope = "arch"
product = "image"
script = "build.sh.hbs"
inputs = [{ recipe = "gcc", at = "tc" }]
files = ["images/{{arch}}/linux.config"]

[env]
KBUILD_BUILD_TIMESTAMP = "@{{epoch}}"

[[source]]
name = "linux"
file = "linux.tar.xz"
size = 10
sha256 = "0000000000000000000000000000000000000000000000000000000000000003"
locations = ["https://example.org/linux.tar.xz"]
"#;

pub(super) const INITRAMFS: &str = r#"
name = "initramfs"
version = "1"
license = "GPL-2.0-only"
summary = "root"
scope = "arch"
product = "image"
entry = [
  { path = "init", mode = "0755", file = { recipe = "linux", path = "init" } },
  { path = "dev", directory = true },
  { path = "dev/console", char-device = [5, 1] },
  { path = "bin", symlink = "dev" },
  { links = { list = { recipe = "linux", path = "links" }, target = "/init" } },
  { path = "NOTICE", template = "NOTICE.hbs" },
  { path = "hostname", text = "{{arch}}\n" },
]
"#;

pub(super) const IMAGE: &str = r#"
name = "image"
version = "1"
license = "GPL-2.0-only"
summary = "image"
scope = "arch"
product = "image"
[gather]
kernel = { recipe = "linux", path = "kernel" }
compressed = { recipe = "linux", path = "compressed", when = "linux.compressed" }
"initramfs.cpio" = { recipe = "initramfs", path = "initramfs.cpio" }
"#;

pub(super) fn repository() -> Files {
    let beta = ARCH
        .replace("NAME", "beta")
        .replace("target = ", "compressed = \"boot/zImage\"\ntarget = ");
    [
        ("images/host-tools.toml", "epoch = 1752537600\nbase = [\"sh\", \"make\"]\n"),
        ("images/alpha.toml", &ARCH.replace("NAME", "alpha")),
        ("images/beta.toml", &beta),
        ("images/alpha/linux.fragment", "CONFIG_ALPHA=y\n"),
        ("images/beta/linux.fragment", "CONFIG_BETA=y\n"),
        ("images/alpha/linux.config", "CONFIG_ALPHA=y\nCONFIG_X=y\n"),
        ("images/beta/linux.config", "CONFIG_BETA=y\nCONFIG_X=y\n"),
        ("recipes/gmp/recipe.toml", GMP),
        ("recipes/gmp/build.sh.hbs", "./configure # {{version}}\n"),
        ("recipes/gmp/patches/0001-doc.patch", "Origin: Kiln\n\n--- a/x\n+++ b/x\n"),
        ("recipes/gcc/recipe.toml", GCC),
        ("recipes/gcc/build.sh.hbs", "{{triple}} {{#each gcc.configure}}{{this}} {{/each}}\n"),
        ("recipes/linux-config/recipe.toml", LINUX_CONFIG),
        ("recipes/linux-config/build.sh.hbs", "make ARCH={{linux.arch}}\n"),
        ("recipes/linux/recipe.toml", LINUX),
        (
            "recipes/linux/build.sh.hbs",
            "make ARCH={{linux.arch}}\n{{#if linux.compressed}}\ncp {{linux.compressed}}\n{{/if}}\n",
        ),
        ("recipes/initramfs/recipe.toml", INITRAMFS),
        (
            "recipes/initramfs/NOTICE.hbs",
            "{{arch}}\n{{#each recipes.linux.sources}}\n{{file}} {{sha256}}\n{{/each}}\n",
        ),
        ("recipes/image/recipe.toml", IMAGE),
    ]
    .into_iter()
    .map(|(path, text)| (path.into(), text.trim_start().as_bytes().to_vec()))
    .collect()
}

/// The repository in which alpha's compiler also generates beta's code.
pub(super) fn shared_compiler() -> Files {
    let own = r#"configure = ["--one", "--two=beta"]"#;
    let mut files = edited(
        "images/beta.toml",
        own,
        "base = \"alpha\"\nspecs = \"-m32\"\nemulation = \"elf32beta\"\nlibraries = \"lib32\"",
    );
    let inputs =
        r#"{ recipe = "gmp", compiler = "own" }, { recipe = "gcc", at = "tc", compiler = "base" }"#;
    let gcc = GCC.replace(r#"{ recipe = "gmp" }"#, inputs);
    files.insert("recipes/gcc/recipe.toml".into(), gcc.into_bytes());
    let script =
        "{{#if gcc.base}}{{gcc.base}} {{gcc.specs}} {{gcc.emulation}} {{gcc.libraries}}{{/if}}\n";
    files.insert("recipes/gcc/build.sh.hbs".into(), script.into());
    files
}

/// The repository with one text in one file replaced.
pub(super) fn edited(path: &str, from: &str, to: &str) -> Files {
    let mut files = repository();
    let old = String::from_utf8(files[Utf8Path::new(path)].clone()).unwrap();
    assert!(old.contains(from), "`{from}` is not in {path}");
    files.insert(path.into(), old.replace(from, to).into_bytes());
    files
}

pub(super) fn without(path: &str) -> Files {
    let mut files = repository();
    assert!(files.remove(Utf8Path::new(path)).is_some(), "{path}");
    files
}

pub(super) fn with(path: &str, text: &str) -> Files {
    let mut files = repository();
    files.insert(path.into(), text.as_bytes().to_vec());
    files
}

pub(super) fn project(files: &Files) -> Project {
    load(files).unwrap_or_else(|diagnostics| panic!("{}", show(&diagnostics)))
}

pub(super) fn plan(files: &Files, arches: &[&str]) -> Plan {
    let arches: Vec<String> = arches.iter().map(|arch| (*arch).to_owned()).collect();
    project(files).plan(&arches).unwrap()
}
