//! A test exported as a standalone script, which needs only a QEMU.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use harness::qemu::arch;
use harness::repo::TestRepo;

/// Uses features that the script must include: a disk with data, a choice, the size of a blank
/// disk.
const DISK: &str = r#"# Reads a disk.
#: scratch = ["8M"]
in_host() {
    echo written by the host > "$SCRATCH/disk"
    truncate -s 1M "$SCRATCH/disk"
    qemu -drive if=none,id=d,format=raw,file=disk -device virtio-blk,drive=d
}

in_guest() {
    word=$(choose word one two three)
    echo "chose $word, seed $KILN_SEED, machine $KILN_MACHINE"
    wait_for "test -b /dev/vdb"
    test "$(blockdev --getsize64 /dev/vda)" = 8388608
    grep -q "written by the host" /dev/vdb
}
"#;
const FAILS: &str = "# Fails.\nin_guest() {\n    fail \"two and two are five\"\n}\n";
const POWERS_OFF: &str = "# Ends.\n#: ends = \"poweroff\"\nin_guest() {\n    leave poweroff\n}\n";
const ASKS: &str = "# Asks.\nin_guest() {\n    qmp query-status\n}\n";

/// Exports a test and runs the script. Returns its exit status and output.
fn exported(repo: &TestRepo, arch: &str, test: &str) -> (i32, String) {
    let file = repo.path().join(format!("{test}.sh"));
    let args = [
        "test",
        "--offline",
        "--arch",
        arch,
        test,
        "--seed",
        "5",
        "--standalone",
    ];
    let output = repo.run(&[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stderr_has(["wrote `"]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let output = Command::new(&file)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TMPDIR", repo.tmp())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.stderr, b"", "{stdout}");
    assert_eq!(std::fs::read_dir(repo.tmp()).unwrap().count(), 0);
    (output.status.code().unwrap(), stdout)
}

#[test]
fn standalone_script_reaches_the_same_verdict() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[
        ("a/disk", DISK),
        ("a/fails", FAILS),
        ("a/powers-off", POWERS_OFF),
    ]);
    let (code, text) = exported(&repo, &arch, "disk");
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("TAP version 13\n1..1\n"), "{text}");
    assert!(
        text.ends_with(&format!("ok 1 - {arch}::a::disk\n")),
        "{text}"
    );
    assert!(text.contains("# chose "), "{text}");
    assert!(text.contains(", seed 5, machine "), "{text}");
    let (code, text) = exported(&repo, &arch, "fails");
    let why = format!("# two and two are five\nnot ok 1 - {arch}::a::fails\n");
    assert!(code == 1 && text.ends_with(&why), "{code} {text}");
    let (code, text) = exported(&repo, &arch, "powers-off");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn test_needing_the_runner_is_not_exported() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/asks", ASKS), ("a/fails", FAILS)]);
    let file = repo.path().join("script");
    let listed = |filter: &str| {
        let file = file.to_str().unwrap();
        repo.run(&[
            "test",
            "--offline",
            "--arch",
            &arch,
            filter,
            "--standalone",
            file,
        ])
    };
    let asks = listed("asks");
    assert_eq!(asks.code, 2, "{}", asks.stderr);
    asks.stderr_has(["needs the runner for `qmp`"]);
    let both = listed("a::");
    assert_eq!(both.code, 2, "{}", both.stderr);
    assert!(both.stderr.contains("takes one test, found 2 selected"));
    assert!(!file.exists());
}
