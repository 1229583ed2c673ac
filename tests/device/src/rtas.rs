//! The firmware interface RTAS of a pseries machine (Power Architecture Platform Requirements 2.7, chapter 7).

use qtest::{Bench, Failure, Test, rtas};

const SUCCESS: u32 = 0;
const HARDWARE_ERROR: u32 = u32::MAX;

const BASE: Test = Test {
    arguments: &["-rtc", "base=2023-11-14T12:34:56,clock=vm"],
    ..Test::of("rtas", &["rtas"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "returns-time-of-day",
        description: "get-time-of-day returns year, month, day, hour, minute and second",
        body: |bench| returns_time(bench, [2023, 11, 14, 12, 34, 56]),
        ..BASE
    },
    Test {
        name: "sets-time-of-day",
        description: "A time that set-time-of-day sets is the time that get-time-of-day returns",
        body: |bench| sets_time(bench, 2024),
        ..BASE
    },
    Test {
        name: "time-of-day-follows-the-clock",
        description: "Five seconds later, get-time-of-day returns five seconds more",
        clock: true,
        body: |bench| follows_clock(bench, [12, 35, 1]),
        ..BASE
    },
    Test {
        name: "fails-to-read-absent-function",
        description: "ibm,read-pci-config of a bridge that does not exist is a hardware error",
        body: |bench| reads_absent(bench, HARDWARE_ERROR),
        ..BASE
    },
    Test {
        name: "refuses-unknown-parameter",
        description: "ibm,get-system-parameter of an unknown parameter is not supported",
        body: |bench| refuses_parameter(bench, (-3i32).cast_unsigned()),
        ..BASE
    },
];

/// Calls a function. Returns its results.
fn call<const N: usize>(
    bench: &mut Bench<'_>,
    function: &str,
    arguments: &[u32],
) -> Result<[u32; N], Failure> {
    let at = bench.allocate(128, 64)?;
    let results = rtas::call(&mut bench.session, function, at, arguments)?;
    bench.release(at)?;
    Ok(results)
}

fn returns_time(bench: &mut Bench<'_>, expected: [u32; 6]) -> Result<(), Failure> {
    let [status, time @ .., _] = call::<8>(bench, "get-time-of-day", &[])?;
    bench.check("status", status, SUCCESS)?;
    bench.check("time", time, expected)
}

fn sets_time(bench: &mut Bench<'_>, year: u32) -> Result<(), Failure> {
    let time = [2024, 2, 29, 1, 2, 3, 0];
    let [status] = call::<1>(bench, "set-time-of-day", &time)?;
    bench.check("status", status, SUCCESS)?;
    let found = call::<8>(bench, "get-time-of-day", &[])?;
    bench.check("year", found[1], year)?;
    bench.check("month and day", [found[2], found[3]], [2, 29])
}

fn follows_clock(bench: &mut Bench<'_>, expected: [u32; 3]) -> Result<(), Failure> {
    bench.session.clock_set(5_000_000_000)?;
    let [status, _, _, _, time @ .., _] = call::<8>(bench, "get-time-of-day", &[])?;
    bench.check("status", status, SUCCESS)?;
    bench.check("hour, minute and second", time, expected)
}

fn reads_absent(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let [status, _] = call::<2>(bench, "ibm,read-pci-config", &[0, 0x1234, 0x5678, 4])?;
    bench.check("status", status, expected)
}

fn refuses_parameter(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let buffer = bench.allocate(64, 64)?;
    let low = (buffer & 0xffff_ffff) as u32;
    let [status] = call::<1>(bench, "ibm,get-system-parameter", &[0xffff, low, 64])?;
    bench.check("status", status, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "returns-time-of-day", "time", |bench| {
            returns_time(bench, [2023, 11, 14, 12, 34, 57])
        });
        check_fails(TESTS, "sets-time-of-day", "year", |bench| {
            sets_time(bench, 2023)
        });
        check_fails(TESTS, "time-of-day-follows-the-clock", "hour", |bench| {
            follows_clock(bench, [12, 35, 2])
        });
        check_fails(TESTS, "fails-to-read-absent-function", "status", |bench| {
            reads_absent(bench, SUCCESS)
        });
        check_fails(TESTS, "refuses-unknown-parameter", "status", |bench| {
            refuses_parameter(bench, SUCCESS)
        });
    }
}
