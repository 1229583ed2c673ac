//! Bare-metal tests: they run from an empty store without a compiler, a wrong expectation fails each of them,
//! and a guest that misbehaves has the outcome that it deserves.

use std::process::Command;

use harness::copy;
use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::root;
use serde_json::Value;

const FOLDER: &str = "guest-tests/bare";

/// A repository with the bare-metal tests alone.
fn repo() -> TestRepo {
    let repo = TestRepo::with(&[]);
    copy(&root().join(FOLDER), &repo.repository().join(FOLDER));
    repo
}

/// Outcome and cause of each test, and how many subtests it has.
fn results(events: &[Value]) -> Vec<(String, String, usize)> {
    let finished = events
        .iter()
        .filter(|event| event["reason"] == "test-finished");
    let result = |event: &Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let outcome = format!("{}: {}", text("outcome"), text("cause"));
        let subtests = event["subtests"].as_array().map_or(0, Vec::len);
        (text("test"), outcome, subtests)
    };
    finished.map(result).collect()
}

#[test]
fn tests_pass_and_wrong_expectations_fail() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let kind = "--kind=bare";
    let (code, events) = repo.events(&arch, &[kind]);
    let passed = results(&events);
    assert!(code == 0 && passed.len() >= 10, "{passed:?}");
    for (name, outcome, subtests) in &passed {
        assert!(outcome == "passed: " && *subtests > 0, "{name} {outcome}");
        let header = repo.tests().join(format!("bare/{name}/test.toml"));
        let text = std::fs::read_to_string(&header).unwrap();
        let wrong = match text.split_once("append = \"") {
            Some((before, after)) => format!("{before}append = \"kiln.wrong=1 {after}"),
            None => text + "append = \"kiln.wrong=1\"\n",
        };
        std::fs::write(&header, wrong).unwrap();
    }
    let (code, events) = repo.events(&arch, &[kind]);
    let failed = results(&events);
    assert_eq!((code, failed.len()), (100, passed.len()), "{failed:?}");
    for (name, outcome, _) in &failed {
        assert!(outcome.starts_with("failed: "), "{name}: {outcome}");
    }
}

#[test]
fn exported_test_needs_no_runner() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let file = repo.path().join("console.sh");
    let flag = format!("--standalone={}", file.display());
    let (code, _) = repo.events(&arch, &["bare::console", &flag]);
    assert_eq!(code, 0);
    let output = Command::new("sh").arg(&file).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    let expect = format!("ok 1 - {arch}::bare::console");
    assert!(stdout.lines().any(|line| line == expect), "{stdout}");
}

/// A QEMU that starts another program in place of `console`; where that is text, it is a script for bash
/// that does what QEMU would.
const WRAPPER: &str = r#"evil=@DIR@/evil
for word; do
    shift
    case $word in
        */out/console) word=$evil is_test=yes ;;
        socket,id=kiln-console,fd=*) console=${word##*=} ;;
        *kiln.nonce=*) nonce=${word##*kiln.nonce=} nonce=${nonce%% *} ;;
    esac
    set -- "$@" "$word"
done
export console nonce
if test -n "${is_test-}" && ! grep -q ELF "$evil"; then
    exec bash -c "say() { echo \"kiln: end \$nonce 0\" >&\$console; }; . $evil"
fi
exec @QEMU@ "$@""#;

/// A 64-bit ELF file that QEMU enters by its PVH note, in 32-bit protected mode.
fn program(code: &[u8]) -> Vec<u8> {
    const BASE: u32 = 0x10_0000;
    let start: u32 = 0xe0;
    let note_start: u32 = 0xb0;
    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    let long = |value: u32| u64::from(value).to_le_bytes();
    file.extend(long(BASE + start));
    file.extend(long(64));
    file.extend(long(0));
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    let size = start + u32::try_from(code.len()).unwrap();
    for (kind, flags, offset, size, align) in
        [(1_u32, 7_u32, 0, size, 4096), (4, 4, note_start, 24, 4)]
    {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for value in [offset, BASE + offset, BASE + offset, size, size, align] {
            file.extend(long(value));
        }
    }
    file.resize(note_start as usize, 0);
    file.extend([4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0]);
    file.extend(b"Xen\0");
    file.extend(long(BASE + start));
    file.resize(start as usize, 0);
    file.extend(code);
    file
}

#[test]
fn each_misbehaving_guest_has_its_outcome() {
    const ARCH: &str = "x86_64";
    if !harness::qemu::is_installed(ARCH) {
        harness::skip("no QEMU is installed for x86_64");
        return;
    }
    let repo = repo();
    let folder = repo.qemu(
        "q",
        ARCH,
        &WRAPPER.replace("@DIR@", repo.path().to_str().unwrap()),
    );
    let qemu = format!("--qemu={}", folder.display());
    let check = |code: &[u8], flags: &[&str], expect: &str| {
        std::fs::write(repo.path().join("evil"), code).unwrap();
        let args = [&["--accel=tcg", qemu.as_str(), "bare::console"], flags].concat();
        let (_, events) = repo.events(ARCH, &args);
        let [(_, outcome, _)] = &results(&events)[..] else {
            panic!("{events:?}")
        };
        assert!(outcome.starts_with(expect), "{outcome}, expected {expect}");
    };
    // `jmp .`
    let time = ["--timeout-factor=0.1"];
    check(&program(b"\xeb\xfe"), &time, "timed-out: ");
    // `hlt; jmp` with interrupts off: it does nothing.
    check(&program(b"\xfa\xf4\xeb\xfd"), &time, "timed-out: ");
    // `lidt 0; ud2`: no exception can be delivered.
    let reset = "lost-guest: the machine was reset";
    check(&program(b"\x31\xc0\x0f\x01\x18\x0f\x0b"), &[], reset);
    // `mov $0xf4, %dx; xor %eax, %eax; out %eax, (%dx)`: a status without the line.
    let silent = "lost-guest: QEMU ended with status 1 before the guest reported a status";
    check(
        &program(b"\x66\xba\xf4\x00\x31\xc0\xef\xeb\xfe"),
        &[],
        silent,
    );
    // A status that does not belong to the line, from a QEMU that answers for its guest.
    let parity = "failed: the guest reported status 0, and QEMU ended with 2 instead of 1";
    check(b"say; exit 2", &[], parity);
    check(b"say; exit 1", &[], "failed: status 0 without a check");
    let flood = "failed: console flood: more than 64 MiB";
    check(
        b"head -c 70M /dev/zero | tr '\\0' x >&\"$console\"",
        &[],
        flood,
    );
}
