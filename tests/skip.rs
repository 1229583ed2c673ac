//! What becomes of a test whose program is not installed.

/// Says that the test is passed over, and why. Under `cargo xtask ci`, which sets `KILN_NO_SKIP`, it
/// fails.
#[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("KILN_NO_SKIP").is_none(),
        "{why}: cargo xtask setup --yes --for ci"
    );
    eprintln!("skipped: {why}");
}
