//! `cargo xtask bench suite`: the CPU time of tests.

use serde_json::{Value, json};

use super::side::{Side, measured};
use crate::cli::bench::BenchSuiteArgs;
use crate::context::Context;
use crate::exit::Failure;

/// Runs the tests once.
pub(super) fn sample(
    context: &Context,
    args: &BenchSuiteArgs,
    side: &Side,
) -> Result<Value, Failure> {
    let arches = args.arch.iter().flat_map(|arch| ["--arch", arch.as_str()]);
    let command = side.command().args(["test", "--no-fail-fast", "--offline"]);
    let command = command.arg("--jobs").arg(context.jobs().to_string());
    let (cost, _) = measured(command.args(arches).args(&args.filters))?;
    Ok(json!({
        "reason": "bench-suite", "cpu_s": cost.cpu.as_secs_f64(), "wall_s": cost.wall.as_secs_f64(),
    }))
}
