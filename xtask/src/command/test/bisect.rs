//! `--bisect`: ends as `git bisect run` takes it.

use verdict::bisect::{GIVE_UP, Verdict};
use verdict::event::RunReport;

use crate::context::Context;
use crate::exit::{Exit, Failure};

/// What a run says of the commit. An interrupted one ends the bisection too, as its status is high.
pub(super) fn judge(report: &RunReport) -> Exit {
    Exit::Child(match report.interrupted {
        Some(_) => report.exit_code(),
        None => Verdict::of(report).status(),
    })
}

/// What is wrong before there is a run: a commit without a QEMU is passed over, a wrong command line
/// would be as wrong in the next commit.
pub(super) fn explain(context: &Context, failure: &Failure) -> Exit {
    failure.explain(context.style);
    Exit::Child(match failure.exit {
        Exit::SetupMissing => Verdict::Untestable.status(),
        _ => GIVE_UP,
    })
}
