//! Tests what a run shows on a terminal.

use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::skip;

/// Erases the line of the cursor.
const ERASE: &str = "\r\u{1b}[2K";

#[test]
fn finished_test_leaves_no_progress_bar() {
    let Some(arch) = arch() else { return };
    if !std::path::Path::new("/usr/bin/script").exists() {
        return skip("`script` is missing, which creates a terminal");
    }
    let passes = "# Passes.\nin_guest() {\n    sleep 1\n}\n";
    let repo = TestRepo::with(&[("a/first", passes), ("a/second", passes)]);
    // The columns of the terminal, then the command as it is.
    let script = r#"exec script -qec "stty cols 80; exec $(printf "'%s' " "$@")" /dev/null"#;
    let mut command = repo.test_in_script(script, &arch, &["-j1"]);
    let output = command.env("TERM", "xterm").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}{stderr}");
    let (mut bars, mut lines) = (0, 0);
    for line in shown.lines().flat_map(|line| line.split(ERASE)) {
        let of_this = line.matches("] 0/2").count() + line.matches("] 1/2").count();
        assert!(of_this <= 1, "{line:?}");
        bars += of_this;
        lines += usize::from(line.contains("PASS"));
    }
    assert!(bars > 2 && lines == 2, "{shown:?}");
}
