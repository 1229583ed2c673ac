//! Tests `cargo xtask mutants` with a small fake QEMU tree: its `configure` and its only C file
//! make a program that starts the real QEMU with one more option.

#![expect(
    clippy::disallowed_methods,
    reason = "acts from outside, as a user does"
)]

use std::process::Command;

use harness::qemu::{arch, binary};
use harness::repo::TestRepo;
use serde_json::Value;

const CONFIGURE: &str = r#"for option; do
    case $option in
        --real=*) real=${option#*=} ;;
        --target-list=*) target=${option#*=} ;;
    esac
done
program=qemu-system-${target%-softmmu}
{
    printf '%s: ../src/hw/id.c\n' "$program"
    printf '\tcc -DREAL=\\"%s\\" -I../src/include -o $@ $<\n' "$real"
} >Makefile"#;

const OSDEP: &str =
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n";

const FILE: &str = r#"#include "qemu/osdep.h"

static const char *id(int number)
{
    return number == 1 ? "00000000-0000-0000-0000-000000000001" : "";
}

int unused(int number);
int unused(int number)
{
    return number + 1;
}

int main(int argc, char **argv)
{
    char **all = calloc(argc + 3, sizeof(*all));

    memcpy(all, argv, argc * sizeof(*all));
    all[argc] = "-uuid";
    all[argc + 1] = (char *)id(1);
    execv(REAL, all);
    return 1;
}
"#;

/// Device, function, edit.
const MUTANTS: &[(&str, &str, &str, &str)] = &[
    ("pci-testdev", "id", "000000000001", "000000000002"),
    ("pci-testdev", "main", "argc + 3", "argc + 4"),
    ("pci-testdev", "unused", "number + 1", "number + 2"),
    ("pci-testdev", "id", "number == 2", "number == 3"),
    ("pci-testdev", "id", "number == 1", "nothing == 1"),
    ("edu", "main", "argc + 3", "argc + 5"),
];

const TEST: &str = "# Has its identifier.\n#: requires.devices = [\"pci-testdev\"]\nin_guest() {\n    \
    id=$(qmp query-uuid)\n    test \"$id\" = '{\"UUID\":\"00000000-0000-0000-0000-000000000001\"}'\n}\n";

fn set() -> String {
    let all = MUTANTS.iter().enumerate();
    let all = all.map(|(number, (device, function, find, replace))| {
        let quote = |text: &str| match text.parse::<u64>() {
            // An identifier is a string constant of C.
            Ok(_) => format!("'\"00000000-0000-0000-0000-{text}\"'"),
            Err(_) => format!("'{text}'"),
        };
        format!(
            "[[mutant]]\nname = \"m{number}\"\ndevice = \"{device}\"\nfile = \"hw/id.c\"\n\
             function = \"{function}\"\nclass = \"plain\"\ndescription = \"another value\"\n\
             find = {}\nreplace = {}\n\n",
            quote(find),
            quote(replace)
        )
    });
    all.collect()
}

#[test]
fn each_mutant_gets_its_verdict() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/id", TEST)]);
    let source = repo.path().join("qemu");
    repo.executable(&source.join("configure"), CONFIGURE);
    for (file, text) in [
        ("include/qemu/osdep.h", OSDEP),
        ("hw/id.c", FILE),
        ("VERSION", "1.2.3\n"),
    ] {
        harness::write(&source.join(file), text);
    }
    harness::write(&repo.repository().join("tests/mutants/a.toml"), set());
    let find = ["-c", "command -v \"$0\"", &binary(&arch)];
    let real = Command::new("sh").args(find).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let html = repo.path().join("report.html");
    let args = |more: &[&str]| {
        let mut args = vec![
            "mutants".to_owned(),
            "--offline".to_owned(),
            "-j1".to_owned(),
        ];
        args.push(format!("--arch={arch}"));
        args.push(format!("--qemu-src={}", source.display()));
        args.push(format!("--configure=--real={}", real.trim()));
        args.push(format!("--html={}", html.display()));
        args.extend(more.iter().map(|&more| more.to_owned()));
        args
    };
    let run = |more: &[&str]| {
        let args = args(more);
        repo.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };

    let output = run(&["--message-format=json"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let verdicts = report["trials"].as_array().unwrap().iter();
    let mut verdicts: Vec<_> = verdicts
        .map(|one| (&one["name"], &one["verdict"]))
        .collect();
    verdicts.sort_by_key(|(name, _)| name.to_string());
    let verdicts: Vec<&str> = verdicts
        .iter()
        .map(|(_, verdict)| verdict.as_str().unwrap())
        .collect();
    let expect = [
        "caught",
        "survived",
        "not-reached",
        "left-out",
        "left-out",
        "not-reached",
    ];
    assert_eq!(verdicts, expect, "{report:#}");
    let trials = report["trials"].as_array().unwrap();
    let named = |name: &str| trials.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(
        named("m0")["diagnosis"]["values"],
        true,
        "{:#}",
        named("m0")
    );
    assert_eq!(named("m3")["why"], "`id` does not contain `number == 2`");
    let why = named("m4")["why"].as_str().unwrap();
    assert!(
        why.starts_with("does not compile: 'nothing' undeclared") || why.contains("nothing"),
        "{why}"
    );
    assert_eq!(named("m5")["tests"], 0);
    assert_eq!(report["scores"]["overall"]["caught"], 1);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("1 of 4 mutants of QEMU 1.2.3 were caught (25 %)"),
        "{page}"
    );

    let output = run(&["m1", "m3"]);
    let expect = format!("survived {arch}::m1: another value: 1 test passed");
    assert!(output.stdout.contains(&expect), "{}", output.stdout);
    let source = format!("--qemu-src={}", source.display());
    let output = repo.run(&["mutants", "--check", &source]);
    assert_eq!(output.code, 101);
    assert_eq!(output.stdout, "m3: `id` does not contain `number == 2`\n");

    // A test that fails without a mutant invalidates every verdict.
    repo.write("a/id.sh", &TEST.replace("0001\"", "0003\""));
    let output = run(&["m0"]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    let expect = format!("1 tests fail without any mutant on {arch}: {arch}::a::id");
    assert!(output.stderr.contains(&expect), "{}", output.stderr);
    assert_eq!(run(&["nothing"]).code, 2);
    repo.assert_clean("after mutants");
}
