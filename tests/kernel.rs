//! Tests `cargo xtask kernel` with a small fake kernel tree, whose Makefile knows the targets that the command
//! calls, and with a fake compiler from a recipe.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::small::{ARCH, SmallRepo};
use harness::{Output, skip, write};
use serde_json::json;

const GCC: &str = r#"
name = "gcc"
version = "1"
license = "MIT"
summary = "a fake compiler"
scope = "arch"
product = "toolchain"
script = "build.sh.hbs"
"#;

/// The compiler copies a file.
const GCC_SCRIPT: &str = "umask 022\nmkdir \"$OUT/bin\"\n\
    printf '#!/bin/sh\\necho \"compiled by $KBUILD_BUILD_USER\"; exec cat \"$1\"\\n' >\"$OUT/bin/{{triple}}-gcc\"\n\
    chmod 755 \"$OUT/bin/{{triple}}-gcc\"\n";

const LINUX: &str = r#"
name = "linux"
version = "1"
license = "MIT"
summary = "a fake kernel"
scope = "arch"
product = "image"
script = "build.sh.hbs"
inputs = [{ recipe = "gcc", at = "tc" }]

[env]
KBUILD_BUILD_USER = "kiln"
"#;

/// Accepts the options that Kconfig names, compiles `main.c`, and adds an option in menuconfig.
const MAKEFILE: &str = "\
allnoconfig:
	@grep -w -F -f Kconfig \"$$KCONFIG_ALLCONFIG\" >\"$$KCONFIG_CONFIG\" || :
	@test ! -e broken || { echo 'Kconfig:1: syntax error' >&2; exit 1; }
menuconfig:
	@echo CONFIG_EDITED=y >>$(O)/.config
vmlinux: $(O)/vmlinux
$(O)/vmlinux: main.c $(O)/.config
	@test $(ARCH) = alpha && echo '  CC      main.o'
	$(CROSS_COMPILE)gcc main.c >$@
	ln -sfn $(CURDIR) $(O)/source
modules:
	touch $(O)/modules
extra:
	touch $(O)/extra
";

const TEST: &str =
    "# Needs an option.\n#: requires.kernel = [\"NEEDED\"]\nin_guest() {\n    :\n}\n";

struct Fixture {
    repo: SmallRepo,
    tree: PathBuf,
    out: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let repo = SmallRepo::new(&[]);
        for (path, text) in [
            (
                "images/host-tools.toml",
                "epoch = 1752537600\nbase = [\"sh\", \"cat\", \"mkdir\", \"chmod\"]\n",
            ),
            (
                "images/common/linux-common.fragment",
                "CONFIG_BASE=y\nCONFIG_GONE=y\n",
            ),
            ("images/alpha/linux.fragment", "CONFIG_SIZE=8\n"),
            (
                "images/alpha/linux.config",
                "CONFIG_BASE=y\nCONFIG_GONE=y\nCONFIG_SIZE=8\n",
            ),
            ("recipes/gcc/recipe.toml", GCC),
            ("recipes/gcc/build.sh.hbs", GCC_SCRIPT),
            ("recipes/linux/recipe.toml", LINUX),
            ("recipes/linux/build.sh.hbs", "exit 1\n"),
            ("guest-tests/a/needs.sh", TEST),
        ] {
            repo.write(path, text);
        }
        repo.edit("recipes/image/recipe.toml", "\"parts\"", "\"linux\"");
        let tree = repo.path().join("linux");
        let out = repo.path().join("out");
        for (name, text) in [
            ("Makefile", MAKEFILE),
            (
                "Kconfig",
                "CONFIG_BASE\nCONFIG_SIZE\nCONFIG_NEEDED\nCONFIG_MODULES\nCONFIG_EDITED\n",
            ),
            ("main.c", "one\n"),
            ("arch/alpha/Kconfig", ""),
            ("scripts/kconfig/conf.c", ""),
        ] {
            write(&tree.join(name), text);
        }
        Self { repo, tree, out }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut all = vec![
            "kernel",
            args[0],
            "--offline",
            "--no-sandbox",
            "--arch",
            ARCH,
        ];
        all.extend(["--src", self.tree.to_str().unwrap()]);
        all.extend(["--out", self.out.to_str().unwrap()]);
        all.extend(&args[1..]);
        self.repo.xtask("store", &all)
    }

    fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        output
    }

    #[track_caller]
    fn refused(&self, code: i32, expect: &[&str]) {
        let output = self.run(&["build"]);
        output.stderr_has(expect.iter().copied());
        assert_eq!(output.code, code, "{}", output.stderr);
    }

    fn out(&self, name: &str) -> String {
        std::fs::read_to_string(self.out.join(name)).unwrap_or_default()
    }

    fn fragment(&self, name: &str, text: &str) -> String {
        let path = self.repo.path().join(name);
        write(&path, text);
        path.to_str().unwrap().to_owned()
    }
}

/// Whether this host can build: the fake compiler is identified by the host's own.
fn can_build() -> bool {
    let have = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    let missing: Vec<_> = ["make", "cc", "script"]
        .into_iter()
        .filter(|name| !have(name))
        .collect();
    if !missing.is_empty() {
        skip(&format!("missing: {}", missing.join(", ")));
    }
    missing.is_empty()
}

#[test]
fn kernel_is_built_from_all_fragments() {
    if !can_build() {
        return;
    }
    let kernel = Fixture::new();
    let own = kernel.fragment("own.config", "CONFIG_SIZE=16\nCONFIG_LOST=y\n");
    let output = kernel.succeeds(&["build", "--config", &own]);
    assert_eq!(output.stdout.trim_end(), kernel.out.to_str().unwrap());
    assert_eq!(kernel.out("vmlinux"), "compiled by kiln\none\n");
    assert_eq!(
        kernel.out(".config"),
        "CONFIG_BASE=y\nCONFIG_NEEDED=y\nCONFIG_SIZE=16\n"
    );
    let lost = format!("CONFIG_LOST is n, but {own} requests y");
    output.stderr_has([
        "3 options differ from Kiln's own kernel of alpha",
        "CONFIG_GONE: y -> n",
        "CONFIG_NEEDED: n -> y",
        "CONFIG_SIZE: 8 -> 16",
        &lost,
        "options of Kiln's own kernel that differ here: GONE\n",
        "CC      main.o",
    ]);
    // Nothing has changed, so nothing is compiled.
    let output = kernel.succeeds(&["build", "--config", &own]);
    output.stderr_has(["0 options differ from the previous config"]);
    assert!(
        !output.stderr.contains("CC      main.o"),
        "{}",
        output.stderr
    );
    let output = kernel.succeeds(&["build", "--quiet", "--config", &own]);
    assert_eq!(output.stdout.trim_end(), kernel.out.to_str().unwrap());
    let warning = format!("warning: {lost}");
    assert!(output.stderr.starts_with(&warning), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    // The source has changed, and the config has modules.
    write(&kernel.tree.join("main.c"), "two\n");
    let modules = kernel.fragment("modules.config", "CONFIG_MODULES=y\n");
    let output = kernel.succeeds(&["build", "--config", &modules, "--", "extra"]);
    output.stderr_has([
        "CONFIG_MODULES: n -> y",
        "CONFIG_SIZE: 16 -> 8",
        "CC      main.o",
    ]);
    assert_eq!(kernel.out("vmlinux"), "compiled by kiln\ntwo\n");
    for made in ["modules", "extra"] {
        assert!(kernel.out.join(made).exists(), "{made}");
    }
    let output = kernel.succeeds(&["build", "--config", &own, "--message-format=json"]);
    let line = &output.lines("kernel")[0];
    assert_eq!(line["path"], kernel.out.to_str().unwrap());
    let change = json!({ "option": "SIZE", "from": "8", "to": "16" });
    assert!(
        line["changes"].as_array().unwrap().contains(&change),
        "{line}"
    );
    let unmet = json!({ "option": "LOST", "requested": "y", "value": "n", "origin": own });
    assert_eq!(line["unmet"][0], unmet, "{line}");
    // The source tree is only read.
    assert!(!kernel.tree.join("vmlinux").exists());
}

#[test]
fn edits_of_the_config_are_kept() {
    if !can_build() {
        return;
    }
    let kernel = Fixture::new();
    kernel.succeeds(&["config"]);
    assert!(
        !kernel.out.join("vmlinux").exists(),
        "only the config is made"
    );
    write(
        &kernel.out.join(".config"),
        "CONFIG_BASE=y\nCONFIG_SIZE=64\nCONFIG_NEEDED=y\n",
    );
    kernel.succeeds(&["build"]);
    assert!(
        kernel.out(".config").contains("CONFIG_SIZE=64"),
        "{}",
        kernel.out(".config")
    );
    assert_eq!(kernel.out("kiln/edits.config"), "CONFIG_SIZE=64\n");
    // On a terminal, menuconfig edits it.
    let line = format!("{:?}", kernel.command(&["config"]));
    let line = line.replace('"', "'");
    let mut script = Command::new("script");
    let output = Output::of(script.args(["-qec", &line, "/dev/null"]));
    // The terminal receives both streams.
    output.stdout_has(["CONFIG_EDITED: n -> y", "kiln/edits.config"]);
    assert_eq!(
        kernel.out("kiln/edits.config"),
        "CONFIG_SIZE=64\nCONFIG_EDITED=y\n"
    );
    kernel.succeeds(&["build"]);
    assert!(
        kernel.out(".config").contains("CONFIG_EDITED=y"),
        "{}",
        kernel.out(".config")
    );
    std::fs::remove_file(kernel.out.join("kiln/edits.config")).unwrap();
    kernel.succeeds(&["build"]);
    assert!(
        kernel.out(".config").contains("CONFIG_SIZE=8"),
        "{}",
        kernel.out(".config")
    );
}

#[test]
fn unsuitable_trees_are_refused_before_anything_is_written() {
    let kernel = Fixture::new();
    let touch = |path: PathBuf| write(&path, "");
    touch(kernel.tree.join(".config"));
    let fix = format!("make -C {} mrproper", kernel.tree.display());
    kernel.refused(2, &["contains a build (`.config`)", &fix]);
    std::fs::remove_file(kernel.tree.join(".config")).unwrap();
    touch(kernel.out.join(".config"));
    kernel.refused(2, &["was not made by this command", "--out"]);
    std::fs::remove_file(kernel.out.join(".config")).unwrap();
    let other = kernel.repo.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&other, kernel.out.join("source")).unwrap();
    kernel.refused(2, &["is the build directory of", "--out"]);
    let removed = |name: &str, expect: &[&str]| {
        let path = kernel.tree.join(name);
        std::fs::remove_file(&path).unwrap();
        kernel.refused(2, expect);
    };
    removed(
        "Kconfig",
        &["is not a kernel source tree: `Kconfig` is missing"],
    );
    let is_empty = |directory: &Path| std::fs::read_dir(directory).unwrap().count() == 1;
    assert!(is_empty(&kernel.out), "only the link");
}

#[test]
fn failures_of_make_are_reported() {
    if !can_build() {
        return;
    }
    let kernel = Fixture::new();
    let broken = kernel.tree.join("broken");
    write(&broken, "");
    kernel.refused(
        101,
        &[
            "failed to make the kernel's config",
            "Kconfig:1: syntax error",
        ],
    );
    std::fs::remove_file(&broken).unwrap();
    std::fs::remove_file(kernel.tree.join("main.c")).unwrap();
    kernel.refused(101, &["`make vmlinux` failed"]);
}
