//! `cargo xtask bench --against` and `--html`: takes samples of one or two checkouts in turn, one at
//! a time, and prints medians and ratios.

use camino::{Utf8Path, Utf8PathBuf};
use runner::bench::{Figure, Samples, number, page};
use serde_json::Value;

use super::sampling::{runs, sampling};
use super::side::{Side, measured};
use super::{build, source, suite};
use crate::builder::global_flags;
use crate::cli::MessageFormat;
use crate::cli::bench::{Bench, BenchArgs};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

pub(super) fn run(context: &Context, args: &BenchArgs) -> CommandResult {
    let other = args.against.as_ref().map(|dir| context.env.absolute(dir));
    let roots: Vec<Utf8PathBuf> = [context.root.clone()].into_iter().chain(other).collect();
    let samples = match &args.what {
        Bench::Build(args) => collect(&roots, args.runs, |side| {
            Ok(vec![build::sample(context, &roots[side])?])
        })?,
        what => {
            let sides = roots.iter().map(|root| Side::build(context, root));
            let sides = sides.collect::<Result<Vec<_>, _>>()?;
            collect(&roots, runs(what), |side| {
                sample(context, what, &sides[side])
            })?
        }
    };
    for figure in samples.figures() {
        output::result(match context.global.message_format {
            MessageFormat::Human => sentence(&figure),
            MessageFormat::Json => figure.json(samples.sides()).to_string(),
        });
    }
    match &args.html {
        Some(file) => write(&context.env.absolute(file), &samples),
        None => Ok(Exit::Success),
    }
}

/// Takes the samples of all sides in turn.
fn collect(
    roots: &[Utf8PathBuf],
    runs: u16,
    sample: impl Fn(usize) -> Result<Vec<Value>, Failure>,
) -> Result<Samples, Failure> {
    let mut samples = Samples::new(roots.iter().map(ToString::to_string).collect());
    for _ in 0..runs {
        for side in 0..roots.len() {
            for line in sample(side)? {
                samples.add(side, &line);
            }
        }
    }
    Ok(samples)
}

/// Takes one sample.
fn sample(context: &Context, what: &Bench, side: &Side) -> Result<Vec<Value>, Failure> {
    match (what, sampling(what)) {
        (Bench::Suite(args), _) => Ok(vec![suite::sample(context, args, side)?]),
        (Bench::Source(args), _) => source::sample(context, args, side),
        (_, flags) => {
            let command = side.command().arg("bench").args(flags.unwrap_or_default());
            let command = command.args(global_flags(&context.global));
            let (_, output) = measured(command.arg("--message-format=json"))?;
            let text = output.stdout_text();
            let lines = text.lines().map(serde_json::from_str);
            Ok(lines.filter_map(Result::ok).collect())
        }
    }
}

/// The medians and their ratio. A side without the figure has a dash.
fn sentence(figure: &Figure) -> String {
    let medians = figure.medians().into_iter();
    let medians = medians.map(|median| median.map_or_else(|| "-".to_owned(), number));
    let medians: Vec<_> = medians.collect();
    let ratio = figure.ratio();
    let ratio = ratio.map_or_else(String::new, |ratio| format!(": {ratio:.2}"));
    let runs = figure
        .samples
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or_default();
    format!(
        "{} {} {}{ratio} (medians of {runs})",
        figure.label,
        figure.name,
        medians.join(", against "),
    )
}

fn write(file: &Utf8Path, samples: &Samples) -> CommandResult {
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    let page = page(samples).map_err(|error| failed(error.into()))?;
    host::files::write_output(file, page.as_bytes()).map_err(|error| failed(error.into()))?;
    output::note(format!("wrote {file}"));
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentence_has_medians_and_ratio() {
        let figure = |samples: &[&[f64]]| Figure {
            label: "bench-build".into(),
            name: "cpu_s".into(),
            samples: samples.iter().map(|side| side.to_vec()).collect(),
        };
        for (samples, text) in [
            (
                &[&[85.7, 85.9][..]][..],
                "bench-build cpu_s 85.80 (medians of 2)",
            ),
            (
                &[&[85.7, 85.9], &[175.4, 175.4]],
                "bench-build cpu_s 85.80, against 175.4: 0.49 (medians of 2)",
            ),
            (
                &[&[85.7, 85.9], &[]],
                "bench-build cpu_s 85.80, against - (medians of 2)",
            ),
        ] {
            assert_eq!(sentence(&figure(samples)), text);
        }
    }
}
