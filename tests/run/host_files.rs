//! `--image host`, `--program` and `--module`: guests with files of the host.

use std::path::Path;

use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::skip::unsuited;

const RUNS: &str = "# Runs a program of the host.\nin_guest() {\n    tool | grep -x hello\n}\n";
const KEEPS: &str = "# Keeps the kernel.\nin_host() {\n    cp \"$KILN_IMAGE/kernel\" @DIR@/kernel\n    qemu\n}\n\
                     in_guest() {\n    :\n}\n";

fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn guest_runs_programs_of_the_host() {
    let Some(arch) = arch() else { return };
    if arch != std::env::consts::ARCH {
        return unsuited("no guest has the architecture of this host");
    }
    let repo = TestRepo::with(&[("a/runs", RUNS), ("a/keeps", KEEPS)]);
    let run = |words: &[&str]| {
        let start = ["test", "--offline", "--accel=tcg", "--arch", &arch];
        repo.run(&[&start, words].concat())
    };
    let kept = run(&["a::keeps"]);
    assert_eq!(kept.code, 0, "{} {}", kept.stdout, kept.stderr);
    let kernel = repo.path().join("kernel");
    // A script whose interpreter is a program with libraries.
    let tool = repo.path().join("tool");
    script(&tool, "#!/usr/bin/env sh\necho hello\n");
    let tool = tool.to_str().unwrap();
    for image in [
        &[][..],
        &["--image=host", "--kernel", kernel.to_str().unwrap()],
    ] {
        let output = run(&[&["a::runs", "--program", tool], image].concat());
        assert_eq!(output.code, 0, "{} {}", output.stdout, output.stderr);
    }
    let broken = repo.path().join("broken");
    script(&broken, "#!/no/interpreter\n");
    let foreign = repo.path().join("foreign");
    let mut bytes = std::fs::read("/proc/self/exe").unwrap();
    bytes[18] ^= 0xff;
    std::fs::write(&foreign, bytes).unwrap();
    let check = |program: &str, expect: &str, hint: &str| {
        let output = run(&["a::runs", "--program", program]);
        assert_eq!(output.code, 96, "{} {}", output.stdout, output.stderr);
        output.stderr_has([expect, hint]);
    };
    check(
        "no-such-tool",
        "no program `no-such-tool` on this host",
        "install the package that has `no-such-tool`",
    );
    check(
        broken.to_str().unwrap(),
        "no `/no/interpreter` on this host, the interpreter of",
        "install the package that has `/no/interpreter`",
    );
    check(
        foreign.to_str().unwrap(),
        "is for another architecture: expected ELF machine",
        "select a file for the architecture of this host",
    );
    let module = run(&["a::runs", "--module", "loop"]);
    assert_eq!(module.code, 2, "{}", module.stderr);
    let expect = "the kernel that boots has no modules";
    assert!(module.stderr.contains(expect), "{}", module.stderr);
    repo.assert_clean("after guests with files of the host");
}
