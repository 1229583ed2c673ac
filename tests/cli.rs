//! Runs the program as a user does: checks output, exit codes and leftovers. No test here needs
//! QEMU, a network or a built image.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{parts, root, xtask_path};

#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/surroundings.rs"]
mod surroundings;
#[path = "cli/targets.rs"]
mod targets;

/// A command with its own store and without the caller's settings.
fn xtask(store: &Path) -> Command {
    let mut command = harness::xtask();
    command.env("KILN_STORE", store);
    command
}

/// A copy of the inputs of a plan, which the test may damage.
fn copy_of_the_recipes() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["recipes", "images", "guest-tests"] {
        let from = root().join(folder);
        let status = Command::new("cp")
            .arg("-r")
            .arg(from)
            .arg(copy.path())
            .status()
            .unwrap();
        assert!(status.success());
    }
    copy
}

/// Runs in a copy like `cargo run`.
fn in_copy(copy: &Path, args: &[&str]) -> (i32, String, String) {
    let store = tempfile::tempdir().unwrap();
    let manifest = copy.join("xtask");
    parts(
        xtask(store.path())
            .env("CARGO_MANIFEST_DIR", manifest)
            .args(args)
            .output()
            .unwrap(),
    )
}

/// Removes the list of all variables, which depends on every architecture.
fn shortened(stderr: &str) -> String {
    let lines = stderr
        .lines()
        .map(|line| match line.split_once("variables: ") {
            Some((before, _)) => format!("{before}variables: …\n"),
            None => format!("{line}\n"),
        });
    lines.collect()
}

fn spoil(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{}` has no `{from}`", file.display());
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn command_line_overrides() {
    trycmd::TestCases::new()
        .register_bin("xtask", xtask_path())
        .env("NO_COLOR", "1")
        .env("KILN_STORE", "/proc/kiln-has-no-store-here")
        .case("../tests/cmd/*.trycmd");
}

#[test]
fn misspelt_recipe_key_shows_suggestion() {
    let copy = copy_of_the_recipes();
    spoil(
        &copy.path().join("recipes/musl/recipe.toml"),
        "version =",
        "verison =",
    );
    let (code, stdout, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    insta::assert_snapshot!(shortened(&stderr));
}

#[test]
fn all_recipe_errors_are_reported_together() {
    let copy = copy_of_the_recipes();
    let recipes = copy.path().join("recipes");
    spoil(
        &recipes.join("musl/recipe.toml"),
        "sha256 = \"a9",
        "sha256 = \"xy",
    );
    spoil(
        &recipes.join("gcc/recipe.toml"),
        "recipe = \"binutils\"",
        "recipe = \"binutil\"",
    );
    let patches = recipes.join("gmp/patches");
    std::fs::remove_dir_all(patches).unwrap();
    let (code, stdout, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    insta::assert_snapshot!(stderr);
}

#[test]
fn unknown_template_variable_is_shown() {
    let copy = copy_of_the_recipes();
    spoil(
        &copy.path().join("recipes/musl/build.sh.hbs"),
        "{{triple}}",
        "{{tripel}}",
    );
    let (code, _, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(shortened(&stderr));
}

#[test]
fn broken_test_header_is_shown_before_running() {
    let copy = copy_of_the_recipes();
    let test = "#!/bin/sh\n# Says nothing.\n#: memry = \"1G\"\n\nin_guest() {\n    true\n}\n";
    std::fs::write(copy.path().join("guest-tests/boot/broken.sh"), test).unwrap();
    std::fs::write(
        copy.path().join("guest-tests/boot/empty.sh"),
        "#!/bin/sh\n# No half.\n",
    )
    .unwrap();
    let (code, stdout, stderr) = in_copy(copy.path(), &["test", "--list"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    let stderr = stderr.replace(copy.path().to_str().unwrap(), "COPY");
    insta::assert_snapshot!(stderr);
}

#[test]
fn invalid_script_is_refused_before_a_boot() {
    let copy = copy_of_the_recipes();
    let tests = copy.path().join("guest-tests/boot");
    let script = |body: &str| format!("#!/bin/sh\n# Says nothing.\n\nin_guest() {{\n{body}}}\n");
    for (name, text, expect) in [
        (
            "no-fi",
            script("    if true; then\n"),
            "the script is not valid",
        ),
        ("dos", script("    true\r\n"), "DOS line endings"),
        (
            "bash",
            script("    [[ a == b ]]\n"),
            "`[[` is not a command",
        ),
    ] {
        std::fs::write(tests.join(format!("{name}.sh")), text).unwrap();
        let filter = format!("boot::{name}");
        let args = ["test", "--arch=x86_64", "--offline", "--exact", &filter];
        let (code, _, stderr) = in_copy(copy.path(), &args);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(expect), "{stderr}");
        assert!(stderr.contains(&format!("{name}.sh:")), "{stderr}");
    }
}

#[test]
fn plan_is_deterministic_and_leaves_store_untouched() {
    let store = tempfile::tempdir().unwrap();
    let plan = || {
        parts(
            xtask(store.path())
                .args(["images", "--plan", "--offline"])
                .output()
                .unwrap(),
        )
    };
    let (code, first, _) = plan();
    assert_eq!(code, 0);
    assert!(first.contains("gcc") && first.contains("image"), "{first}");
    assert_eq!(plan().1, first);
    let entries = store.path().join("v1/entries");
    assert_eq!(std::fs::read_dir(entries).unwrap().count(), 0);
}

#[test]
fn new_architecture_does_not_disturb_others() {
    let copy = copy_of_the_recipes();
    let config = copy.path().join("images/riscv64/linux.config");
    // The file does not exist in a checkout that adds the architecture.
    let _ = std::fs::remove_file(config);
    let (code, _, stderr) = in_copy(copy.path(), &["images", "--plan", "--arch", "aarch64"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = in_copy(copy.path(), &["images", "--plan", "--arch", "riscv64"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("cargo xtask images --arch riscv64 --refreeze"),
        "{stderr}"
    );
}

#[test]
fn json_plan_has_one_object_per_line() {
    let store = tempfile::tempdir().unwrap();
    let args = ["images", "--plan", "--message-format", "json"];
    let (code, stdout, _) = parts(xtask(store.path()).args(args).output().unwrap());
    assert_eq!(code, 0);
    assert!(stdout.lines().count() > 10);
    for line in stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["reason"].is_string(), "{line}");
    }
}

#[test]
fn unwritable_store_is_reported_with_hint() {
    let (code, stdout, stderr) = parts(
        xtask(Path::new("/proc/no/store"))
            .arg("images")
            .output()
            .unwrap(),
    );
    assert_eq!((code, stdout.as_str()), (96, ""));
    assert!(
        stderr.contains("/proc/no/store") && stderr.contains("KILN_STORE"),
        "{stderr}"
    );
}

#[test]
fn missing_qemu_is_found_before_unpacking() {
    let store = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let output = xtask(store.path())
        .env("PATH", empty.path())
        .args(["test", "boot::true"])
        .output();
    let (code, _, stderr) = parts(output.unwrap());
    assert_eq!(code, 96, "{stderr}");
    assert!(
        stderr.contains("qemu-system-") && stderr.contains("cargo xtask setup"),
        "{stderr}"
    );
    assert_eq!(
        std::fs::read_dir(store.path().join("v1/entries"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn missing_files_offline_list_fetch_command() {
    let store = tempfile::tempdir().unwrap();
    let args = ["images", "--from-source", "--offline", "--arch", "x86_64"];
    let (code, _, stderr) = parts(xtask(store.path()).args(args).output().unwrap());
    assert_eq!(code, 102, "{stderr}");
    for file in ["linux_", "gcc-14_", "musl_", "cargo xtask fetch"] {
        assert!(stderr.contains(file), "no `{file}` in: {stderr}");
    }
}

#[test]
fn locked_refuses_before_anything_is_fetched_or_built() {
    let copy = copy_of_the_recipes();
    let lock = copy.path().join("images/images.lock");
    if lock.exists() {
        std::fs::remove_file(lock).unwrap();
    }
    let args = ["images", "--from-source", "--locked", "--offline"];
    let (code, stdout, stderr) = in_copy(copy.path(), &args);
    assert_eq!((code, stdout.as_str()), (101, ""), "{stderr}");
    assert!(stderr.contains("images.lock") && stderr.contains("--locked"));
    assert!(!copy.path().join("images/images.lock").exists());
}

#[test]
fn offline_fetch_lists_every_missing_file() {
    let store = tempfile::tempdir().unwrap();
    let args = ["fetch", "--sources", "--offline"];
    let (code, stdout, stderr) = parts(xtask(store.path()).args(args).output().unwrap());
    assert_eq!((code, stdout.as_str()), (102, ""), "{stderr}");
    for file in ["linux_", "gcc-14_", "musl_", "busybox_"] {
        assert!(stderr.contains(file), "no `{file}` in: {stderr}");
    }
}

#[test]
fn mirror_variable_equals_command_line_mirror() {
    let copy = copy_of_the_recipes();
    let plan = |mirror: &str| {
        let store = tempfile::tempdir().unwrap();
        let mut command = xtask(store.path());
        command
            .env("CARGO_MANIFEST_DIR", copy.path().join("xtask"))
            .env("KILN_MIRROR", mirror)
            .args(["images", "--plan", "--no-prebuilt"])
            .args(["--message-format", "json"]);
        let (code, stdout, stderr) = parts(command.output().unwrap());
        assert_eq!(code, 0, "{stderr}");
        let lines = stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let images: Vec<serde_json::Value> = lines
            .filter(|line: &serde_json::Value| line["reason"] == "image")
            .collect();
        images
    };
    let entries = plan("").into_iter().map(|image| {
        assert_eq!(image["from"], "source");
        format!(
            "\n[[image]]\narch = {}\nkey = {}\n",
            image["arch"], image["key"]
        )
    });
    let lock = "version = 1\n".to_owned() + &entries.collect::<String>();
    std::fs::write(copy.path().join("images/images.lock"), lock).unwrap();
    assert!(
        plan("http://mirror.invalid/")
            .iter()
            .all(|image| image["from"] == "mirror")
    );
}

/// Runs in a separate mount namespace on a file system of a few pages. `None` if mounts are not
/// permitted.
fn on_a_small_disk(options: &str, prepare: &str, args: &str) -> Option<(i32, String)> {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o {options} tmpfs \"$DIR\" 2>/dev/null || exit 77\n{prepare}\nexec \"$XTASK\" {args}"
    );
    let mut unshare = Command::new("unshare");
    harness::program::isolate(&mut unshare);
    let output = unshare
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env("DIR", dir.path())
        .env("XTASK", xtask_path())
        .env("KILN_STORE", dir.path().join("store"))
        .output()
        .ok()?;
    let (code, _, stderr) = parts(output);
    let refused = code == 77 || stderr.starts_with("unshare: ");
    (!refused).then_some((code, stderr))
}

#[test]
fn full_disk_is_always_a_setup_error() {
    // The first file of a fetch, with the real length and a `file:` URL, so that no network is
    // needed.
    let recipe = std::fs::read_to_string(root().join("recipes/binutils/recipe.toml")).unwrap();
    let value = |key: &str| {
        let (_, rest) = recipe.split_once(&format!("\n{key} = ")).unwrap();
        let line = rest.lines().next().unwrap();
        line.trim_matches('"').to_owned()
    };
    let mirror = tempfile::tempdir().unwrap();
    let blobs = mirror.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let file = std::fs::File::create(blobs.join(value("sha256"))).unwrap();
    file.set_len(value("size").parse().unwrap()).unwrap();
    let fetch = format!(
        "fetch --sources --offline --mirror file://{}",
        mirror.path().display()
    );

    let fills = "head -c 1m /dev/zero >\"$DIR/fill\" 2>/dev/null";
    for (options, prepare, args) in [
        ("size=64k", fills, fetch.as_str()),
        ("size=2m", ":", fetch.as_str()),
    ] {
        let Some((code, stderr)) = on_a_small_disk(options, prepare, args) else {
            return;
        };
        assert_eq!(code, 96, "{stderr}");
        assert!(
            stderr.contains("no space left in") && stderr.contains("KILN_STORE"),
            "{stderr}"
        );
    }
}

#[test]
fn read_only_store_serves_existing_entries() {
    let prepare = "\"$XTASK\" images --plan >/dev/null && mount -o remount,ro \"$DIR\"";
    for (args, expect) in [
        ("images --plan", 0),
        ("fetch", 96),
        ("images --from-source --verify", 96),
    ] {
        let Some((code, stderr)) = on_a_small_disk("size=2m", prepare, args) else {
            return;
        };
        assert_eq!(code, expect, "{args}: {stderr}");
        assert!(code == 0 || stderr.contains("is read-only"), "{stderr}");
    }
}

/// The words after `cargo xtask` in a text, up to the end of the command.
fn commands_in(text: &str) -> Vec<Vec<String>> {
    let ends = |c: char| "`\"'#;,|()<>…\n".contains(c);
    text.split("cargo xtask ")
        .skip(1)
        .map(|rest| {
            let command = rest.split(ends).next().unwrap_or_default();
            let words = command.split_whitespace().take_while(|word| *word != "--");
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty())
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn every_command_in_hints_and_pages_exists() {
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| root().join(page));
    let folders = ["xtask", "guest-tests", "docs", ".github", ".ci"].map(|name| root().join(name));
    // clap generates the help texts.
    let helps = root().join("xtask/src/cli/snapshots");
    let files = folders
        .iter()
        .flat_map(|folder| files_below(folder))
        .filter(|file| !file.starts_with(&helps))
        .chain(pages);
    let store = tempfile::tempdir().unwrap();
    let mut helps = std::collections::BTreeMap::new();
    let mut seen = 0;
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        for words in commands_in(&text) {
            let word = |c: char| c.is_ascii_lowercase() || c == '-';
            let name = words[0].split(|c| !word(c)).next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            let name = name.to_owned();
            let mut help = |names: &[String]| {
                let help = helps.entry(names.to_vec()).or_insert_with(|| {
                    let help = xtask(store.path()).args(names).arg("--help").output();
                    parts(help.unwrap())
                });
                help.clone()
            };
            let mut names = vec![name.clone()];
            if help(&names).1.contains("\nCommands:") {
                let inner = words.get(1).filter(|inner| !inner.starts_with('-'));
                names.extend(
                    inner
                        .and_then(|inner| inner.split(|c| !word(c)).next())
                        .map(str::to_owned),
                );
            }
            let help = help(&names);
            assert_eq!(help.0, 0, "{}: `{}`", file.display(), words.join(" "));
            let flags = words.iter().filter(|word| word.starts_with("--"));
            for flag in flags.map(|flag| flag.split(|c| !word(c)).next().unwrap_or_default()) {
                let known = help
                    .1
                    .split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
                assert!(
                    known.into_iter().any(|word| word == flag),
                    "{}: `{name}` has no `{flag}`",
                    file.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
}
