//! `--bisect`: exit codes for `git bisect run`.

use verdict::bisect::{GIVE_UP, Verdict};
use verdict::event::RunReport;
use verdict::runs::run_dir::RunDirError;

use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Refuses a bisection without a QEMU or kernel that changes.
pub(super) fn check(args: &TestArgs) -> Result<(), Failure> {
    if !args.debug.bisect || args.guest.qemu.is_some() || !args.kernel.is_empty() {
        return Ok(());
    }
    let error = anyhow::anyhow!("expected `--qemu` or `--kernel` with `--bisect`");
    let hint = "cargo xtask test NAME --qemu build --bisect";
    Err(Failure::new(Exit::Usage, error).hint(hint.to_owned()))
}

/// The verdict of a run on the commit. An interrupted run also ends the bisection, because its exit
/// code is high.
pub(super) fn judge(report: &RunReport) -> Exit {
    Exit::Child(match report.interrupted {
        Some(_) => report.exit_code(),
        None => Verdict::of(report).status(),
    })
}

/// Prints an error that occurs before the run.
pub(super) fn explain(context: &Context, failure: &Failure) -> Exit {
    failure.explain(context.style);
    Exit::Child(status(failure))
}

/// A commit without a QEMU or a kernel is skipped. A wrong command line or an unusable directory
/// would fail with every commit.
fn status(failure: &Failure) -> u8 {
    match failure.exit {
        Exit::SetupMissing if !failure.is::<RunDirError>() => Verdict::Untestable.status(),
        _ => GIVE_UP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_qemu_skips_a_commit() {
        let check = |exit, error: anyhow::Error, expect| {
            let text = error.to_string();
            assert_eq!(status(&Failure::new(exit, error)), expect, "{text}");
        };
        let missing = anyhow::anyhow!("QEMU is missing");
        check(Exit::SetupMissing, missing, 125);
        check(Exit::Usage, anyhow::anyhow!("wrong option"), 128);
        let full = RunDirError::Temporary {
            path: "/tmp".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        check(Exit::SetupMissing, full.into(), 128);
    }
}
