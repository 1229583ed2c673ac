//! `--image debian`: what is refused before a guest boots. The tests of `guest-tests/debian` boot it.

use harness::qemu::arch;
use harness::repo::TestRepo;

const NEEDS: &str =
    "# Needs a package.\n#: debian.packages = [\"no-such-package\"]\nin_guest() {\n    :\n}\n";

#[test]
fn package_that_no_lock_has_is_an_error() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/needs", NEEDS)]);
    let run = |words: &[&str]| repo.run(&[&["test", "--offline", "--accel=tcg"], words].concat());
    let other = run(&["--arch", &arch]);
    assert_eq!(other.code, 0, "{}", other.stderr);
    let reason = "needs a guest with Debian: --image debian";
    assert!(other.stdout.contains(reason), "{}", other.stdout);
    let check = |words: &[&str], error: &str, hint: &str| {
        let output = run(&[&["--image=debian"], words].concat());
        assert_eq!(output.code, 2, "{} {}", output.stdout, output.stderr);
        assert!(output.stderr.contains(error), "{}", output.stderr);
        assert!(output.stderr.contains(hint), "{}", output.stderr);
    };
    check(
        &["--arch=x86_64"],
        "`x86_64::a::needs` needs the package `no-such-package`, which is not in `images/x86_64/debian.lock`",
        "cargo xtask images --image debian --relock --arch x86_64",
    );
    check(
        &["--arch=ppc64"],
        "no image with Debian for ppc64: expected one of aarch64, x86_64",
        "",
    );
}
