//! What becomes of a test that cannot be carried out on this host, whatever is installed.

/// Reports that the host is unsuited, for example that its KVM is not the kind that a test looks for.
/// For a missing program there is `skip`, which fails in `cargo xtask ci`.
#[expect(clippy::print_stderr, reason = "for whoever runs the tests")]
pub(crate) fn unsuited(why: &str) {
    eprintln!("not possible on this host: {why}");
}
