//! End-to-end tests of `cargo xtask boot`: a shell in a guest, and the exit code.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use harness::qemu::arch;
use harness::repo::TestRepo;

/// Boots and types these lines at the prompt. Returns the exit code and the guest's output.
fn boot(repo: &TestRepo, arch: &str, lines: &str) -> (Option<i32>, String) {
    let mut boot = repo.xtask(&["boot", "--offline", "--arch", arch]);
    let pipes = boot.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::null()).spawn().unwrap();
    let (mut keys, mut console) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut printed, mut piece) = (String::new(), [0; 4096]);
    // The end of the console also ends the wait.
    while !printed.ends_with("# ") {
        let length = console.read(&mut piece).unwrap();
        assert_ne!(length, 0, "no prompt: {printed}");
        printed += &String::from_utf8_lossy(&piece[..length]);
    }
    keys.write_all(lines.as_bytes()).unwrap();
    let mut rest = Vec::new();
    console.read_to_end(&mut rest).unwrap();
    printed += &String::from_utf8_lossy(&rest);
    (child.wait().unwrap().code(), printed)
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
fn kernel_panic_fails_boot() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[]);
    let (code, printed) = boot(&repo, &arch, "echo c > /proc/sysrq-trigger\n");
    assert!(printed.contains("Kernel panic"), "{printed}");
    assert_eq!(code, Some(101), "{printed}");
    repo.assert_clean("a kernel panic");
}
