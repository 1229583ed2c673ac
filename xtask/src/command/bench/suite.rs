//! `cargo xtask bench suite`: the CPU time of tests, of this checkout and of another one in turn.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};
use runner::bench::median;
use serde_json::json;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchSuiteArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::output;

/// Time limit of a run.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn run(context: &Context, args: &BenchSuiteArgs) -> CommandResult {
    let other = args.against.as_ref().map(|dir| context.env.absolute(dir));
    let sides: Vec<Utf8PathBuf> = [context.root.clone()].into_iter().chain(other).collect();
    let mut seconds = vec![Vec::new(); sides.len()];
    for side in &sides {
        cargo(context, side, "build", &[])?;
    }
    let jobs = context.jobs().to_string();
    let arches = args.arch.iter().flat_map(|arch| ["--arch", arch.as_str()]);
    let filters = args.filters.iter().map(String::as_str);
    let test = ["--", "test", "--no-fail-fast", "--jobs", &jobs];
    let test: Vec<&str> = test.into_iter().chain(arches).chain(filters).collect();
    for _ in 0..args.runs {
        for (side, seconds) in sides.iter().zip(&mut seconds) {
            seconds.push(cargo(context, side, "run", &test)?.as_secs_f64());
        }
    }
    let medians: Vec<f64> = seconds.into_iter().map(median).collect();
    for (side, seconds) in sides.iter().zip(&medians) {
        output::result(match context.global.message_format {
            MessageFormat::Human => format!("{side}: {seconds:.1} s of CPU time"),
            MessageFormat::Json => json!({
                "reason": "bench-suite", "checkout": side, "cpu_s": seconds, "runs": args.runs,
            })
            .to_string(),
        });
    }
    if let [ours, theirs] = medians[..] {
        super::print_ratio(context, "bench-suite-ratio", ours / theirs);
    }
    Ok(Exit::Success)
}

/// The CPU time of a command of cargo in a checkout, with its descendants. A test that fails costs time as well.
fn cargo(
    context: &Context,
    checkout: &Utf8Path,
    command: &str,
    args: &[&str],
) -> Result<Duration, Failure> {
    let cargo = context.env.cargo.clone();
    let before = host::clock::cpu_of_children();
    let output = Command::new(cargo.unwrap_or_else(|| "cargo".into()))
        .args([command, "--quiet", "--offline", "--package", "xtask"])
        .args(args)
        .current_dir(checkout)
        .stderr(Stdio::Inherit)
        .output(LIMIT)
        .map_err(hinted!(Exit::SetupMissing))?;
    let failed = i32::from(Exit::TestFailed.code());
    if !output.status.success() && output.status.code() != Some(failed) {
        let error = anyhow::anyhow!(
            "expected the tests of `{checkout}` to run: cargo exited with {}",
            output.status
        );
        return Err(Failure::new(Exit::Failed, error));
    }
    Ok(host::clock::cpu_of_children().saturating_sub(before))
}
