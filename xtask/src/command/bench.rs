//! `cargo xtask bench`: what the measurements are; each can measure two sides in one run.

mod boot;
mod build;
mod run;

use crate::cli::bench::{Bench, BenchArgs};
use crate::context::Context;
use crate::exit::Outcome;

pub(crate) fn run(context: &Context, args: &BenchArgs) -> Outcome {
    match &args.what {
        Bench::Boot(args) => boot::run(context, args),
        Bench::Run(args) => run::run(context, args),
        Bench::Build(args) => build::run(context, args),
    }
}

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_of_even_count_is_the_mean() {
        for (values, middle) in [
            (vec![3.0], 3.0),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0, 2.0, 9.0], 3.0),
        ] {
            assert!((median(values) - middle).abs() < 1e-9);
        }
    }
}
