//! Black-box tests of `cargo xtask repro` with trivial recipes: the variations never reach a step,
//! and a step whose output depends on something else is reported.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{copy, parts, root, skip, xtask};
use serde_json::Value;

/// A checkout with additional recipes, and a store.
struct Checkout {
    area: tempfile::TempDir,
}

/// The result of a `repro` run.
struct Report {
    code: i32,
    lines: Vec<Value>,
    stderr: String,
}

impl Checkout {
    fn new(recipes: &[(&str, &str)]) -> Self {
        let area = tempfile::tempdir().unwrap();
        for folder in ["recipes", "images"] {
            copy(&root().join(folder), &area.path().join(folder));
        }
        let checkout = Self { area };
        for (name, script) in recipes {
            checkout.add(name, script);
        }
        checkout
    }

    fn add(&self, name: &str, script: &str) {
        let folder = self.area.path().join("recipes").join(name);
        std::fs::create_dir(&folder).unwrap();
        let recipe = format!(
            "name = \"{name}\"\nversion = \"1\"\nlicense = \"MIT\"\nsummary = \"a test's\"\n\
             scope = \"common\"\nproduct = \"image\"\nscript = \"build.sh.hbs\"\n"
        );
        std::fs::write(folder.join("recipe.toml"), recipe).unwrap();
        std::fs::write(folder.join("build.sh.hbs"), script).unwrap();
    }

    fn store(&self) -> PathBuf {
        self.area.path().join("store")
    }

    fn repro(&self, args: &[&str]) -> Report {
        self.repro_with(args, &[])
    }

    fn repro_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Report {
        let mut command = xtask();
        let output = command
            .env("CARGO_MANIFEST_DIR", self.area.path().join("xtask"))
            .env("KILN_STORE", self.store())
            .envs(environment.iter().copied())
            .args(["--offline", "--message-format=json", "repro", "--seed=5"])
            .args(args)
            .output()
            .unwrap();
        let (code, stdout, stderr) = parts(output);
        let lines = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        Report {
            code,
            lines: lines.collect(),
            stderr,
        }
    }
}

impl Report {
    /// The reported object of a recipe's step.
    fn step(&self, recipe: &str) -> &Value {
        let mut steps = self.lines.iter();
        let found = steps.find(|line| line["recipe"] == recipe);
        found.unwrap_or_else(|| panic!("no `{recipe}`: {}", self.stderr))
    }

    /// The reported variation of a subject.
    fn varied(&self, name: &str) -> &str {
        let how = &self.lines[0]["varied"][name];
        how.as_str().unwrap_or_else(|| panic!("{}", self.stderr))
    }

    fn difference(&self, recipe: &str) -> &str {
        self.step(recipe)["difference"].as_str().unwrap_or_default()
    }
}

/// A recipe that records everything that a step sees of its environment.
const LOOKS: &str = r#"{
    echo "$PWD $HOME $PATH ${TZ-} ${LC_ALL-} ${LANG-} ${USER-}"
    id=$(sed -n 's/^Uid:[[:space:]]*//p' /proc/self/status); echo "$id"
    uname -n; umask; ls -ld . "$OUT" "$FILES" | cut -c 1-10
    for tool in git pahole rustc hostname whoami python3 gzip bzip2 xz cpio makeinfo; do
        command -v "$tool" || echo "no $tool"
    done
    cat /proc/net/dev | wc -l
} >"$OUT/seen"
mkdir "$OUT/sub"; echo x >"$OUT/sub/x"
"#;

#[test]
fn step_that_the_architecture_lacks_is_an_error() {
    let checkout = Checkout::new(&[("looks", LOOKS)]);
    // It has no bare-metal programs.
    let report = checkout.repro(&["--arch=s390x", "--step=looks", "--step=bare"]);
    assert_eq!(report.code, 2, "{}", report.stderr);
    assert_eq!(report.lines, [Value::Null; 0]);
    let expect = "recipe `bare` has no step for `s390x`";
    assert!(report.stderr.contains(expect), "{}", report.stderr);
}

#[test]
fn variations_never_reach_a_build_step() {
    let checkout = Checkout::new(&[("looks", LOOKS)]);
    let report = checkout.repro(&["--step=looks", "--keep"]);
    assert_eq!(
        (report.code, report.difference("looks")),
        (0, ""),
        "{}",
        report.stderr
    );
    assert_eq!(report.step("looks")["outputs"], 2);
    // The second build's store is kept and contains what the step saw.
    let kept = checkout.store().join("repro/5");
    let mut find = Command::new("find");
    let found = find.arg(&kept).args(["-name", "seen"]).output().unwrap();
    let seen = String::from_utf8(found.stdout).unwrap();
    let seen = std::fs::read_to_string(seen.trim()).unwrap();
    assert!(
        seen.contains("no git\n") && seen.contains("no xz\n"),
        "{seen}"
    );
    // With the same seed, the step is reused.
    let again = checkout.repro(&["--step=looks", "--keep"]);
    assert_eq!(again.code, 0);
    let seconds = |report: &Report| report.step("looks")["second_seconds"].clone();
    assert_eq!(seconds(&again), seconds(&report));
}

/// Replaces a real recipe by a trivial one.
fn cheap(checkout: &Checkout, recipe: &str, script: &str) {
    let folder = checkout.area.path().join("recipes").join(recipe);
    let read = std::fs::read_to_string(folder.join("recipe.toml")).unwrap();
    let (mut text, mut in_source) = (String::new(), false);
    for line in read.lines() {
        in_source = line == "[[source]]" || in_source && !line.starts_with('[');
        let left_out = ["sources-from", "inputs", "frozen"];
        if !in_source && !left_out.iter().any(|key| line.starts_with(key)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    std::fs::write(folder.join("recipe.toml"), text).unwrap();
    std::fs::write(folder.join("build.sh.hbs"), script).unwrap();
}

#[test]
fn repro_without_step_rebuilds_up_to_image() {
    let checkout = Checkout::new(&[]);
    let kept = ["linux", "busybox", "guest-init", "initramfs", "image"];
    let recipes = checkout.area.path().join("recipes");
    for folder in std::fs::read_dir(&recipes).unwrap() {
        let folder = folder.unwrap();
        if !kept.contains(&folder.file_name().to_str().unwrap()) {
            std::fs::remove_dir_all(folder.path()).unwrap();
        }
    }
    // No target may name tools of a recipe that is gone.
    for target in std::fs::read_dir(checkout.area.path().join("images")).unwrap() {
        let target = target.unwrap().path();
        let text = std::fs::read_to_string(&target).unwrap_or_default();
        if let Some((before, tools)) = text.split_once("[tools]\n") {
            let after = tools.split_once("\n\n").map_or("", |(_, after)| after);
            std::fs::write(&target, format!("{before}{after}")).unwrap();
        }
    }
    std::fs::write(recipes.join("initramfs/NOTICE.hbs"), "a test's\n").unwrap();
    std::fs::remove_dir_all(recipes.join("linux/patches")).unwrap();
    for recipe in ["linux", "busybox", "guest-init"] {
        let files = "for file in kernel config symbols busybox init; do echo x >\"$OUT/$file\"; done\n\
                     echo /bin/sh >\"$OUT/busybox.links\"; echo x >\"$OUT/compressed\"\n";
        cheap(&checkout, recipe, files);
    }
    let report = checkout.repro(&["--arch=aarch64"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    for recipe in kept {
        assert_eq!(report.step(recipe)["equal"], true, "{recipe}");
    }
    // The lock contains another image than that of these recipes.
    let lock = report.lines.last().unwrap();
    assert_eq!(
        (&lock["reason"], &lock["equal"]),
        (&"repro-lock".into(), &Value::Null)
    );
}

#[test]
fn unsandboxed_step_differs_in_paths_only() {
    // The sandbox exists to make such a recipe reproducible.
    let places = "echo \"$BUILD\" >\"$OUT/place\"\n";
    let same = "for tool in git xz python3; do command -v \"$tool\" || echo \"no $tool\"; done \
                >\"$OUT/tools\"; umask >>\"$OUT/tools\"\n";
    let checkout = Checkout::new(&[("places", places), ("same", same)]);
    let report = checkout.repro(&["--step=places", "--step=same", "--no-sandbox"]);
    assert_eq!(report.code, 102, "{}", report.stderr);
    assert_eq!(report.difference("same"), "");
    // Only a sandbox can change the clock.
    let clock = report.varied("clock");
    assert!(clock.starts_with("is not changed: "), "{clock}");
    let difference = report.difference("places");
    assert!(difference.starts_with("place: line 1:"), "{difference}");
    assert!(report.stderr.contains("--seed=5") && report.stderr.contains("--keep"));
}

#[test]
fn leaking_step_is_reported_with_its_file() {
    let checkout = Checkout::new(&[
        (
            "jobs",
            "echo \"${MAKEFLAGS%% --jobserver*}\" >\"$OUT/flags\"\n",
        ),
        ("dice", "cat /proc/sys/kernel/random/uuid >\"$OUT/id\"\n"),
        ("steady", "echo steady >\"$OUT/word\"\n"),
    ]);
    let report = checkout.repro(&["--step=jobs", "--step=dice", "--step=steady", "-j2"]);
    assert_eq!(report.code, 102, "{}", report.stderr);
    assert_eq!(
        report.difference("jobs"),
        "flags: line 1: \" -j2\" / \" -j3\""
    );
    assert!(report.difference("dice").starts_with("id: line 1: "));
    assert_eq!(report.step("steady")["equal"], true);
}

#[test]
fn second_build_clock_is_ahead() {
    let checkout = Checkout::new(&[("day", "date +%Y-%m >\"$OUT/day\"\n")]);
    let report = checkout.repro(&["--step=day", "--days=400"]);
    let ahead = report.varied("clock").starts_with("is 400 days ahead");
    // The month may also end between the two builds.
    assert!(!ahead || report.code == 102, "{}", report.stderr);
    if !ahead {
        skip("libfaketime is not installed");
    }
}

#[test]
fn nested_sandbox_keeps_the_user() {
    let path = std::env::var("PATH").unwrap();
    let mut folders = path.split(':').map(|folder| format!("{folder}/bwrap"));
    let Some(real) = folders.find(|program| Path::new(program).exists()) else {
        return skip("`bwrap` is not installed");
    };
    let checkout = Checkout::new(&[("seen", "echo \"$BUILD\" >\"$OUT/place\"\n")]);
    let folder = checkout.area.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("bwrap");
    let text = format!("#!/bin/sh\n[ -z \"$INSIDE\" ] && INSIDE=1 exec {real} \"$@\"\n");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", folder.display());
    let report = checkout.repro_with(&["--step=seen"], &[("PATH", &path)]);
    let user = report.varied("user");
    assert!(user.starts_with("and host name are not varied: "), "{user}");
    assert_eq!(
        (report.code, report.difference("seen")),
        (0, ""),
        "{}",
        report.stderr
    );
}

#[test]
fn failed_second_build_prints_rerun_command() {
    // Only the second build has three jobs.
    let checkout = Checkout::new(&[("picky", "case $MAKEFLAGS in *-j3*) exit 3;; esac\n")]);
    let report = checkout.repro(&["--step=picky", "-j2"]);
    assert_eq!(report.code, 101, "{}", report.stderr);
    assert!(
        report.stderr.contains("the second build failed"),
        "{}",
        report.stderr
    );
    assert!(
        report
            .stderr
            .contains("repro --seed=5 --step=picky -j2 --keep"),
        "{}",
        report.stderr
    );
}

#[test]
fn non_system_root_is_refused_before_building() {
    let checkout = Checkout::new(&[("steady", "echo steady >\"$OUT/word\"\n")]);
    let root = checkout.area.path().join("images");
    let report = checkout.repro(&["--step=steady", "--root", root.to_str().unwrap()]);
    assert_eq!(report.code, 96, "{}", report.stderr);
    assert!(
        report.stderr.contains("is not a root file system"),
        "{}",
        report.stderr
    );
    assert!(report.stderr.contains("debootstrap"), "{}", report.stderr);
    assert!(report.lines.is_empty());
}
