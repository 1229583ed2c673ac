//! The clock and battery-backed RAM M48T59 of a `PReP` machine (data sheet of ST M48T59).

use qtest::{Bench, Failure, Test, Width};

/// The ports of the machine: the address in two bytes, and the data.
const ADDRESS: u64 = 0x74;
const DATA: u64 = 0x77;

/// Registers at the end of RAM, from the seconds to the year.
const SECONDS: u16 = 0x1ff9;
const FLAGS: u16 = 0x1ff0;

const BASE: Test = Test {
    models: &["isa-m48t59"],
    arguments: &[
        "-rtc",
        "base=2023-11-14T12:34:56,clock=vm",
        "-device",
        "isa-m48t59",
    ],
    ..Test::of("m48t59", &["isa-memory"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "keeps-ram",
        description: "Bytes of RAM keep what is written, up to the last one before the registers",
        body: |bench| keeps_ram(bench, 0xc3),
        ..BASE
    },
    Test {
        name: "shows-time",
        description: "The registers have the time of the command line in BCD",
        body: |bench| shows_time(bench, [0x34, 0x12, 0x14, 0x11, 0x23]),
        ..BASE
    },
    Test {
        name: "takes-new-time",
        description: "The registers show the hour and the date that were written",
        // QEMU computes a new time with the host's clock even if its clock is another one.
        arguments: &["-rtc", "base=2023-01-14T12:00:00", "-device", "isa-m48t59"],
        body: |bench| takes_time(bench, [0x22, 0x29, 0x02, 0x24]),
        ..BASE
    },
    Test {
        name: "flags-are-read-only",
        description: "A write does not change the flags",
        body: |bench| flags(bench, 0),
        ..BASE
    },
    Test {
        name: "time-follows-the-clock",
        description: "An hour later, the hours have advanced by one",
        clock: true,
        body: |bench| follows(bench, [0x34, 0x13]),
        ..BASE
    },
];

fn select(bench: &mut Bench<'_>, at: u16) -> Result<u64, Failure> {
    let ports = bench.at("isa-memory")?;
    for (index, byte) in (0u64..).zip(at.to_le_bytes()) {
        let port = ports + ADDRESS + index;
        bench.session.write_width(Width::B, port, byte.into())?;
    }
    Ok(ports + DATA)
}

fn read(bench: &mut Bench<'_>, at: u16) -> Result<u8, Failure> {
    let port = select(bench, at)?;
    Ok(bench.session.readb(port)?)
}

fn write(bench: &mut Bench<'_>, at: u16, value: u8) -> Result<(), Failure> {
    let port = select(bench, at)?;
    Ok(bench.session.write_width(Width::B, port, value.into())?)
}

/// Minutes, hours, date, month and year.
fn time(bench: &mut Bench<'_>) -> Result<[u8; 5], Failure> {
    let mut found = [0; 5];
    for (value, register) in found.iter_mut().zip([1, 2, 4, 5, 6]) {
        *value = read(bench, SECONDS + register)?;
    }
    Ok(found)
}

fn keeps_ram(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const LAST: u16 = FLAGS - 1;
    for (at, value) in [(0, 0xa5), (0x1000, 0x5a), (LAST, 0xc3)] {
        write(bench, at, value)?;
    }
    for (at, value) in [(0, 0xa5), (0x1000, 0x5a), (0x1001, 0)] {
        let found = read(bench, at)?;
        bench.check(format!("byte {at:#x}"), found, value)?;
    }
    let found = read(bench, LAST)?;
    bench.check("last byte", found, expected)
}

fn shows_time(bench: &mut Bench<'_>, expected: [u8; 5]) -> Result<(), Failure> {
    let found = time(bench)?;
    bench.check("time", found, expected)
}

fn takes_time(bench: &mut Bench<'_>, expected: [u8; 4]) -> Result<(), Failure> {
    // The year and month first: a date must exist in its month.
    let registers = [
        (6, 0x24),
        (5, 0x02),
        (4, 0x29),
        (2, 0x22),
        (1, 0x02),
        (0, 0x01),
    ];
    for (register, value) in registers {
        write(bench, SECONDS + register, value)?;
    }
    let found = time(bench)?;
    bench.check("hour and date", &found[1..], &expected[..])
}

fn flags(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    write(bench, FLAGS, 0xff)?;
    let found = read(bench, FLAGS)?;
    bench.check("flags", found, expected)
}

fn follows(bench: &mut Bench<'_>, expected: [u8; 2]) -> Result<(), Failure> {
    bench.session.clock_step(Some(3_600_000_000_000))?;
    let found = time(bench)?;
    bench.check("minutes and hours", &found[..2], &expected[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "keeps-ram", "last byte", |bench| keeps_ram(bench, 0));
        check_fails(TESTS, "shows-time", "time", |bench| {
            shows_time(bench, [0x34, 0x12, 0x14, 0x10, 0x23])
        });
        check_fails(TESTS, "takes-new-time", "date", |bench| {
            takes_time(bench, [0x22, 0x01, 0x03, 0x24])
        });
        check_fails(TESTS, "flags-are-read-only", "flags", |bench| {
            flags(bench, 0xff)
        });
        check_fails(TESTS, "time-follows-the-clock", "hours", |bench| {
            follows(bench, [0x34, 0x12])
        });
    }
}
