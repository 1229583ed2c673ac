//! Rules of ARCHITECTURE.md for the workspace: allowed dependencies, lints, file lengths, and that
//! no architecture is named in Rust.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "looks at the repository from outside"
)]

#[path = "workspace/cycles.rs"]
mod cycles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The crates below `xtask/` with their source folders.
fn crates() -> impl Iterator<Item = (String, PathBuf)> {
    let names = dependencies()
        .into_keys()
        .filter(|name| name != "faults" && name != "harness");
    names.map(|name| {
        let folder = root().join("xtask");
        let source = match name.as_str() {
            "xtask" => folder.join("src"),
            "device-tests" => root().join("tests/device/src"),
            name => folder.join(name).join("src"),
        };
        (name, source)
    })
}

/// For each crate of the workspace, the names of its normal dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let normal = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        normal.map(|d| d.name.clone()).collect()
    };
    metadata
        .workspace_packages()
        .iter()
        .map(|p| (p.name.to_string(), normal(p)))
        .collect()
}

/// Our crates, and on which of them each may depend.
const ALLOWED: &[(&str, &str)] = &[
    // Only tests may use it; this table leaves their dependencies out.
    ("faults", ""),
    ("harness", "plan host"),
    ("device-tests", "qtest"),
    ("elf", ""),
    ("plan", ""),
    ("host", "plan"),
    ("kernel", "elf plan host"),
    ("hostfiles", "elf kernel plan host"),
    ("net", "host"),
    ("qemu", "plan host"),
    ("qtest", "host qemu"),
    ("store", "plan host"),
    ("provision", "plan host store"),
    ("fetch", "plan host net store"),
    ("unpack", "plan host store"),
    ("sandbox", "plan host"),
    ("inspect", "elf"),
    ("debian", "plan"),
    (
        "forge",
        "elf plan host store provision fetch unpack sandbox inspect",
    ),
    (
        "supply",
        "plan host net store provision debian fetch inspect forge",
    ),
    ("publish", "plan host net store"),
    ("verdict", "plan host qemu"),
    ("mutants", "plan host verdict"),
    ("unittests", "plan qemu verdict"),
    ("suite", "host plan qemu qtest unittests verdict"),
    ("settings", "plan suite"),
    ("session", "host qemu verdict suite"),
    ("attach", "host qemu session"),
    ("start", "host hostfiles plan qemu session store verdict"),
    ("helpers", "host plan qemu verdict"),
    ("evidence", "host qemu verdict"),
    ("script", "host plan qemu session suite verdict"),
    (
        "guest",
        "attach evidence helpers host hostfiles kernel plan qemu qtest script session start suite unittests verdict",
    ),
    ("runner", "attach guest host plan start suite verdict"),
    (
        "xtask",
        "attach device-tests guest helpers host hostfiles kernel plan provision qemu qtest runner script session settings start store suite verdict",
    ),
    (
        "builder",
        "kernel plan host net store provision fetch unpack sandbox inspect forge supply publish mutants verdict xtask",
    ),
];

fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let crates = |names: &'static str| names.split_whitespace().collect();
    let entry = |(name, its): &(&'static str, &'static str)| (*name, crates(its));
    ALLOWED.iter().map(entry).collect()
}

#[test]
fn crates_depend_only_on_allowed_crates() {
    let allowed = allowed();
    let dependencies = dependencies();
    assert_eq!(
        dependencies
            .keys()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect(),
        "a crate came or went: say here what it may depend on"
    );
    for (name, its) in &dependencies {
        let ours: BTreeSet<&str> = its
            .iter()
            .map(String::as_str)
            .filter(|d| allowed.contains_key(d))
            .collect();
        let extra: Vec<_> = ours.difference(&allowed[name.as_str()]).collect();
        assert!(extra.is_empty(), "`{name}` must not depend on {extra:?}");
    }
}

/// The first test after a clone waits for these crates. `cargo xtask bench build` measures the
/// time.
#[test]
fn first_verdict_compiles_few_crates() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "xtask", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let crates: BTreeSet<String> = tree.lines().map(name).collect();
    assert!(crates.len() <= 110, "{} crates: {crates:?}", crates.len());
    let names: BTreeSet<&str> = crates
        .iter()
        .filter_map(|one| one.split(' ').next())
        .collect();
    assert!(names.contains("runner"), "found {names:?}");
    for other in [
        "builder", "debian", "fetch", "forge", "inspect", "mutants", "net", "publish", "sandbox",
        "supply", "unpack", "reqwest", "rustls",
    ] {
        assert!(!names.contains(other), "`{other}` is only for `builder`");
    }
}

#[test]
fn only_the_binaries_know_clap_and_anyhow() {
    for (name, its) in dependencies() {
        for binary_only in ["clap", "anyhow", "indicatif", "annotate-snippets"] {
            assert!(
                ["xtask", "builder"].contains(&name.as_str()) || !its.contains(binary_only),
                "`{name}` uses `{binary_only}`"
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (name, _) in dependencies() {
        let folder = match name.as_str() {
            "xtask" => root().join("xtask"),
            "faults" | "harness" => root().join("tests").join(&name),
            "device-tests" => root().join("tests/device"),
            name => root().join("xtask").join(name),
        };
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "`{name}` loses every lint"
        );
    }
}

#[test]
fn only_pure_crate_replaces_clippy_config() {
    let walls: Vec<_> = files("xtask", "toml")
        .filter(|f| f.ends_with("clippy.toml"))
        .collect();
    assert_eq!(walls, [root().join("xtask/plan/clippy.toml")]);
}

#[test]
fn no_rust_file_is_longer_than_600_lines() {
    for file in files("xtask", "rs").chain(files("tests", "rs")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{}: {lines} lines: split it", file.display());
    }
}

#[test]
fn commands_are_at_most_150_lines() {
    let commands = ["xtask/src/command", "xtask/builder/src/command"];
    for file in commands.into_iter().flat_map(|folder| files(folder, "rs")) {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= 150,
            "{}: {lines} lines: move logic into a library",
            file.display()
        );
    }
}

/// A test that prints that it is skipped would pass in `cargo xtask ci`, which allows no skips.
#[test]
fn skipped_tests_use_the_shared_function() {
    let files = files("xtask", "rs").chain(files("tests", "rs"));
    for file in files.filter(|file| !file.ends_with("harness/src/skip.rs")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut lines = text.lines();
        let printed = lines.find(|line| line.contains(concat!("print", "ln!(\"skip")));
        assert_eq!(printed, None, "{}: call `skip`", file.display());
    }
}

/// The architectures of `images/`.
fn architectures() -> Vec<String> {
    let names: Vec<String> = std::fs::read_dir(root().join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && path.with_extension("toml").exists())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(names.len() >= 3, "found {names:?}");
    names
}

/// The lines of a text that have one of the names as a whole word and are not comments.
fn lines_with<'t>(text: &'t str, names: &[String], comment: &str) -> Vec<&'t str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with(comment));
    code.filter(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| names.iter().any(|name| name == word))
    })
    .collect()
}

#[test]
fn no_architecture_is_named_in_rust_outside_tests() {
    let names = architectures();
    for file in files("xtask", "rs") {
        let path = file.to_str().unwrap();
        if path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs") {
            continue;
        }
        // Examples in help texts and their tests name architectures, like the guides.
        if path.ends_with("/cli/examples.rs") || path.ends_with("/cli/help.rs") {
            continue;
        }
        // xz has names for its filters.
        if path.ends_with("/forge/src/prebuilt.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let found = lines_with(code, &names, "//");
        assert!(found.is_empty(), "{path} names an architecture: {found:?}");
    }
}

#[test]
fn no_architecture_is_named_in_shell_libraries() {
    let names = architectures();
    for file in files("guest-tests/lib", "sh") {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = lines_with(&text, &names, "#");
        assert!(
            found.is_empty(),
            "{file:?} names an architecture: {found:?}"
        );
    }
}

/// The lines of a script that negate a command without effect: `set -e` ignores the status of
/// `! COMMAND`, so only the last command of a function may have this form.
fn unchecked_negations(script: &str) -> Vec<usize> {
    let lines: Vec<&str> = script.lines().map(str::trim).collect();
    let pairs = lines.iter().zip(lines.iter().skip(1)).enumerate();
    let is_unchecked = |line: &str, next: &str| {
        line.starts_with("! ") && !line.contains("||") && !line.ends_with('\\') && next != "}"
    };
    pairs
        .filter(|(_, (line, next))| is_unchecked(line, next))
        .map(|(number, _)| number + 1)
        .collect()
}

#[test]
fn negated_commands_of_guest_tests_are_checked() {
    let script = "f() {\n    ! grep a b\n    ! grep c d || fail e\n    ! grep f g\n}\n";
    assert_eq!(unchecked_negations(script), [2]);
    for file in files("guest-tests", "sh") {
        let found = unchecked_negations(&std::fs::read_to_string(&file).unwrap());
        assert!(
            found.is_empty(),
            "{file:?} negates commands without effect in lines {found:?}: write `if COMMAND; then fail …; fi`"
        );
    }
}

#[test]
fn every_test_named_by_a_page_exists() {
    let sources = files("xtask", "rs").chain(files("tests", "rs"));
    let sources: String = sources
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let is_test = |word: &&str| {
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        plain && word.matches('_').count() > 2
    };
    for page in ["ARCHITECTURE.md", "RELIABILITY.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let named: Vec<&str> = text.split('`').filter(is_test).collect();
        assert!(named.len() > 10, "found {named:?}");
        for name in named {
            assert!(
                sources.contains(&format!("fn {name}()")),
                "{page} names the test `{name}`, which does not exist"
            );
        }
    }
}

#[test]
fn every_workspace_dependency_is_used() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, table) = manifest.split_once("[workspace.dependencies]").unwrap();
    let (table, _) = table.split_once("\n[").unwrap();
    let names = table.lines().filter_map(|line| line.split_once(" = "));
    let crates: Vec<String> = files("xtask", "toml")
        .filter(|file| file.ends_with("Cargo.toml"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for (name, _) in names.filter(|(name, _)| !name.starts_with('#')) {
        let used = |text: &String| {
            text.contains(&format!("\n{name}.workspace"))
                || text.contains(&format!("\n{name} = {{"))
        };
        assert!(crates.iter().any(used), "no crate uses `{name}`");
    }
}

/// The identifiers of licences and exceptions in lines such as `license = "MIT AND …"`.
fn licences(file: &Path, key: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix(key));
    let words =
        values.flat_map(|value| value.split(|c: char| c.is_whitespace() || "=\"()".contains(c)));
    let operators = ["", "AND", "OR", "WITH"];
    let identifiers = words.filter(|word| !operators.contains(word));
    identifiers.map(str::to_owned).collect()
}

#[test]
fn every_licence_has_text_and_use() {
    let mut used = licences(&root().join("REUSE.toml"), "SPDX-License-Identifier");
    assert!(used.contains("GPL-2.0-or-later"), "found {used:?}");
    let recipes = files("recipes", "toml");
    used.extend(recipes.flat_map(|recipe| licences(&recipe, "license")));
    let texts: BTreeSet<String> = files("LICENSES", "txt")
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(used, texts);
}

/// The recipes and targets of the repository.
fn project() -> plan::Project {
    let root = camino::Utf8PathBuf::from_path_buf(root()).unwrap();
    let files = host::files::read_tree(&root, &["recipes", "images"], &["images/prebuilt"]);
    plan::load(&files.unwrap()).unwrap()
}

#[test]
fn devices_without_driver_exist_in_qemu() {
    let known = suite::known::KnownNames::committed();
    let project = project();
    for arch in project.arches.values() {
        for name in &arch.qemu.without_driver {
            let is_known = known.has(suite::known::Kind::Device, name);
            assert!(is_known, "{}: no QEMU has the device `{name}`", arch.name);
        }
    }
}

#[test]
fn every_source_has_two_independent_locations() {
    let project = project();
    let sources = project.recipes.values().flat_map(|recipe| &recipe.sources);
    let few: Vec<_> = sources
        .filter(|source| source.pin.services().len() < 2)
        .map(|source| &source.pin.file)
        .collect();
    assert!(few.is_empty(), "kept by one service alone: {few:?}");
}

#[test]
fn no_kernel_has_firmware_built_in() {
    let configs = files("images", "config").filter(|file| file.ends_with("linux.config"));
    let configs: Vec<PathBuf> = configs.collect();
    assert!(configs.len() >= 3, "found {configs:?}");
    for config in configs {
        let text = std::fs::read_to_string(&config).unwrap();
        let none = text.contains("\nCONFIG_EXTRA_FIRMWARE=\"\"\n");
        let loads = text.contains("\nCONFIG_FW_LOADER=");
        assert!(none || !loads, "`{}` takes in firmware", config.display());
    }
}

/// All files below a folder of the repository with an extension.
fn files(folder: &str, extension: &'static str) -> impl Iterator<Item = PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter()
}
