//! Skips tests that cannot run on this host.

/// Reports that a test is skipped because a program is not installed. Under `cargo xtask ci`, which
/// sets `KILN_NO_SKIP`, the test fails instead.
#[expect(clippy::print_stderr, reason = "for the person who runs the tests")]
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("KILN_NO_SKIP").is_none(),
        "{why}: cargo xtask setup --yes --for ci"
    );
    eprintln!("skipped: {why}");
}

/// Reports that a test cannot run on this host whatever is installed, for example because its KVM
/// is of another kind.
#[expect(clippy::print_stderr, reason = "for the person who runs the tests")]
pub fn unsuited(why: &str) {
    eprintln!("not possible on this host: {why}");
}
