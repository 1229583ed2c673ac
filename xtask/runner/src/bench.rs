//! Statistics for `cargo xtask bench`: rates, the runner's overhead, medians, comparisons. Pure.

mod page;
mod samples;

use std::time::Duration;

use verdict::event::RunReport;

pub use page::{number, page};
pub use samples::{Figure, Samples};

/// The number of finished tests per minute.
#[must_use]
pub fn tests_per_minute(report: &RunReport) -> f64 {
    let time = Duration::from_millis(report.duration_ms.max(1));
    let tests = u32::try_from(report.tests.len()).unwrap_or(u32::MAX);
    f64::from(tests) * 60.0 / time.as_secs_f64()
}

/// Milliseconds of each test without a running QEMU, which is the runner's overhead.
pub fn overheads_ms(report: &RunReport) -> impl Iterator<Item = f64> {
    let tests = report.tests.iter();
    tests.map(|test| {
        let own = Duration::from_millis(test.times.duration_ms.saturating_sub(test.times.qemu_ms));
        own.as_secs_f64() * 1000.0
    })
}

/// The median. The mean of the two middle values for an even number.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use verdict::event::{SCHEMA, TestReport};
    use verdict::origin::Origin;

    use super::*;

    fn run(duration_ms: u64, tests: &[(u64, u64)]) -> RunReport {
        let test = |(duration_ms, qemu_ms): &(u64, u64)| {
            let mut report = TestReport::new("x", "a", "b");
            (report.times.duration_ms, report.times.qemu_ms) = (*duration_ms, *qemu_ms);
            report
        };
        RunReport {
            schema: SCHEMA,
            origin: Origin::default(),
            platforms: Vec::new(),
            seed: 7,
            tests: tests.iter().map(test).collect(),
            duration_ms,
            interrupted: None,
            run_dir: "runs/1".into(),
            coverage: None,
        }
    }

    fn assert_near(found: f64, expect: f64) {
        assert!((found - expect).abs() < 1e-6, "{found} {expect}");
    }

    #[test]
    fn rate_counts_tests_per_minute() {
        for (duration_ms, tests, expect) in [(60_000, 3, 3.0), (1500, 1, 40.0), (0, 0, 0.0)] {
            assert_near(
                tests_per_minute(&run(duration_ms, &vec![(1, 1); tests])),
                expect,
            );
        }
    }

    #[test]
    fn overhead_is_time_without_qemu() {
        let run = run(1, &[(1000, 980), (500, 500), (3, 9)]);
        assert_eq!(
            overheads_ms(&run).map(f64::round).collect::<Vec<_>>(),
            [20.0, 0.0, 0.0]
        );
    }

    #[test]
    fn median_of_even_count_is_the_mean() {
        for (values, middle) in [
            (vec![3.0], 3.0),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![4.0, 1.0, 2.0, 9.0], 3.0),
        ] {
            assert_near(median(values), middle);
        }
        assert!(median(Vec::new()).is_nan());
    }
}
