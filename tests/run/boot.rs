//! End-to-end tests of `cargo xtask boot`: a shell in a guest, and the exit code.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use harness::qemu::{arch, arches};
use harness::repo::TestRepo;

const PROMPT: &str = "~ # ";

/// Boots. When the guest has printed the first text of a step, types the second. Returns the exit code and the
/// guest's output.
fn talk(repo: &TestRepo, arch: &str, steps: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut boot = repo.xtask(&["boot", "--offline", "--arch", arch]);
    let pipes = boot.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::null()).spawn().unwrap();
    let (mut keys, mut console) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut printed, mut piece) = (String::new(), [0; 4096]);
    for (awaited, typed) in steps {
        let seen = printed.len();
        // The end of the console also ends the wait.
        while !printed[seen..].contains(awaited) {
            let length = console.read(&mut piece).unwrap();
            assert_ne!(length, 0, "no `{awaited}`: {printed}");
            printed += &String::from_utf8_lossy(&piece[..length]);
        }
        keys.write_all(typed.as_bytes()).unwrap();
    }
    let mut rest = Vec::new();
    console.read_to_end(&mut rest).unwrap();
    printed += &String::from_utf8_lossy(&rest);
    (child.wait().unwrap().code(), printed)
}

/// Boots and types these lines at the prompt. Returns the exit code and the guest's output.
fn boot(repo: &TestRepo, arch: &str, lines: &str) -> (Option<i32>, String) {
    talk(repo, arch, &[(PROMPT, lines)])
}

#[test]
fn booted_guest_runs_a_shell_and_powers_off() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[]);
    let (code, printed) = boot(&repo, &arch, "echo the answer is $((6 * 7))\nexit\n");
    assert!(printed.contains("\nthe answer is 42"), "{printed}");
    assert!(printed.contains("Power down"), "{printed}");
    assert_eq!(code, Some(0), "{printed}");
    repo.assert_clean("boot");
}

#[test]
fn input_before_the_first_prompt_is_not_lost() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[]);
    // Every output contains the empty text, so QEMU has not started when this is written.
    let (code, printed) = talk(&repo, &arch, &[("", "echo $((6 * 7))\nexit\n")]);
    assert!(printed.contains("\n42"), "{printed}");
    assert_eq!(code, Some(0), "{printed}");
    repo.assert_clean("boot");
}

#[test]
fn kernel_panic_fails_boot() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[]);
    let (code, printed) = boot(&repo, &arch, "echo c > /proc/sysrq-trigger\n");
    assert!(printed.contains("Kernel panic"), "{printed}");
    assert_eq!(code, Some(101), "{printed}");
    repo.assert_clean("a kernel panic");
}

#[test]
fn every_target_has_the_same_shell() {
    if arch().is_none() {
        return;
    }
    let repo = TestRepo::with(&[]);
    // Each line is typed at a prompt, so that the terminal echoes all of them alike.
    let steps = [
        (PROMPT, "dmesg -n 1\n"),
        // The echo of this line does not contain `running`.
        (PROMPT, "sh -c 'echo run\"\"ning; exec sleep 1000'\n"),
        ("running", "\x03"),
        (PROMPT, "echo status $?\n"),
        (PROMPT, "busybox | head -n 1\n"),
        (PROMPT, "hostname\n"),
        (PROMPT, "exit\n"),
    ];
    let mut sessions = BTreeMap::new();
    // The serial port of QEMU's r2d drops characters of a line that arrives at once (QEMU 10.0.2).
    for arch in arches().into_iter().filter(|arch| arch != "sh4") {
        let (code, printed) = talk(&repo, &arch, &steps);
        assert_eq!(code, Some(0), "{arch}: {printed}");
        let session = &printed[printed.find(PROMPT).unwrap()..];
        // Lines of the kernel, which reports the power-off, start with a time.
        let lines = session.lines().map(str::trim_end);
        let lines: Vec<String> = lines
            .filter(|line| !line.starts_with('['))
            .map(str::to_owned)
            .collect();
        assert!(
            lines.contains(&"status 130".to_owned()),
            "{arch}: {printed}"
        );
        sessions.insert(arch, lines);
    }
    let mut sessions = sessions.iter();
    if let Some((first, expect)) = sessions.next() {
        for (arch, session) in sessions {
            assert_eq!(session, expect, "{arch} differs from {first}");
        }
    }
    repo.assert_clean("boot");
}
