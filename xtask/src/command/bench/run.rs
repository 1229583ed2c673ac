//! `cargo xtask bench run`: tests per minute with one and two jobs, and the runner's overhead in
//! addition to the time of QEMU.

use runner::bench::{median, overheads_ms, tests_per_minute};
use serde_json::json;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchBootArgs;
use crate::command::test;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::platforms::{self, Guests};
use crate::supply::Supply;

/// The area whose tests need only devices that every QEMU has.
const TESTS: &str = "::boot::";

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let runs = platforms::prepare(&supply, &args.guest, &Guests::booting(&supply.arches))?;
    let suite = test::load(context, &supply.known_arches())?;
    let (mut one, mut two, mut overhead) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=args.runs {
        let mut rate = |jobs: usize, rates: &mut Vec<f64>| -> Result<(), Failure> {
            let report = test::quietly(context, &suite, runs.clone(), TESTS, jobs)?;
            if report.exit_code() != 0 {
                let error = anyhow::anyhow!("expected every test of the benchmark to pass");
                return Err(Failure::new(Exit::TestFailed, error)
                    .hint(Some(format!("cargo xtask test {TESTS}"))));
            }
            if round > 0 {
                rates.push(tests_per_minute(&report));
                if jobs == 1 {
                    overhead.extend(overheads_ms(&report));
                }
            }
            Ok(())
        };
        rate(1, &mut one)?;
        rate(2, &mut two)?;
    }
    let (one, two, overhead) = (median(one), median(two), median(overhead));
    let ratio = two / one;
    match context.global.message_format {
        MessageFormat::Human => output::result(format!(
            "{one:.1} tests per minute with -j 1, {two:.1} with -j 2: {ratio:.2} times faster; \
             the runner adds {overhead:.0} ms per test (medians of {})",
            args.runs
        )),
        MessageFormat::Json => output::result(
            json!({
                "reason": "bench-run", "runs": args.runs, "tests_a_minute_j1": one,
                "tests_a_minute_j2": two, "ratio": ratio, "overhead_ms": overhead,
            })
            .to_string(),
        ),
    }
    Ok(Exit::Success)
}
