//! The real-time clock MC146818A at the ports of a PC.
//!
//! Registers and bits are those of Motorola's data sheet. The century register is that of PC
//! firmware.

use qtest::{Bench, Failure, Test};

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

const HOURS: u8 = 0x04;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
const REGISTER_D: u8 = 0x0d;
const RAM: u8 = 0x40;

/// Register B: stops the update of the time.
const SET: u8 = 1 << 7;
/// Register B: enables the periodic, alarm and update interrupts.
const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATE: u8 = 1 << 4;
/// Register B: numbers are binary, not BCD.
const BINARY: u8 = 1 << 2;
/// Register B: hours are 0 to 23.
const HOURS_24: u8 = 1 << 1;
/// Register C: an interrupt is requested.
const REQUESTED: u8 = 1 << 7;

/// The expected registers at a moment.
struct Spec {
    format: u8,
    time: [(u8, u8); 8],
}

/// 2023-11-14 12:34:56, a Tuesday; Sunday is day 1.
const BCD: Spec = Spec {
    format: HOURS_24,
    time: [
        (0x00, 0x56),
        (0x02, 0x34),
        (HOURS, 0x12),
        (0x06, 0x03),
        (0x07, 0x14),
        (0x08, 0x11),
        (0x09, 0x23),
        (0x32, 0x20),
    ],
};

const BINARY_TIME: Spec = Spec {
    format: HOURS_24 | BINARY,
    time: [
        (0x00, 56),
        (0x02, 34),
        (HOURS, 12),
        (0x06, 3),
        (0x07, 14),
        (0x08, 11),
        (0x09, 23),
        (0x32, 20),
    ],
};

const ARGUMENTS: &[&str] = &["-rtc", "base=2023-11-14T12:34:56,clock=vm"];

const BASE: Test = Test {
    arguments: ARGUMENTS,
    ..Test::of("rtc", &["rtc"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "shows-time-in-bcd",
        description: "Time and date are binary-coded decimals after a reset",
        body: |bench| shows_time(bench, &BCD),
        ..BASE
    },
    Test {
        name: "shows-time-in-binary",
        description: "Register B selects binary numbers",
        body: |bench| shows_time(bench, &BINARY_TIME),
        ..BASE
    },
    Test {
        name: "shows-hours-of-half-a-day",
        description: "In 12-hour format, bit 7 of the hours is set after noon",
        body: |bench| shows_half_day(bench, 0x92),
        ..BASE
    },
    Test {
        name: "takes-a-new-time",
        description: "A time that is written while the update is stopped is the new time",
        body: |bench| takes_time(bench, 0x07),
        ..BASE
    },
    Test {
        name: "keeps-cmos-bytes",
        description: "The RAM behind the registers keeps every bit",
        body: |bench| keeps_bytes(bench, 0xa5),
        ..BASE
    },
    Test {
        name: "reports-valid-ram",
        description: "Register D says that RAM and time are valid, and is read-only",
        body: |bench| reports_valid_ram(bench, 0x80),
        ..BASE
    },
    Test {
        name: "raises-alarm",
        description: "The alarm sets its flag and requests an interrupt at its time",
        clock: true,
        body: |bench| raises_alarm(bench, ALARM | REQUESTED),
        ..BASE
    },
    Test {
        name: "follows-the-clock",
        description: "Five seconds later, the clock shows five seconds more and the next minute",
        clock: true,
        body: |bench| follows_clock(bench, [0x01, 0x35]),
        ..BASE
    },
    Test {
        name: "requests-interrupt-each-update",
        description: "The update-ended flag is set once per second and cleared by a read",
        clock: true,
        body: |bench| requests_updates(bench, 3),
        ..BASE
    },
    Test {
        name: "counts-periods-of-1024-hz",
        description: "The periodic interrupt at 1024 Hz has no drift over a second",
        clock: true,
        body: |bench| counts_periods(bench, (0x26, 1024)),
        ..BASE
    },
    Test {
        name: "counts-periods-of-2-hz",
        description: "The periodic interrupt at 2 Hz has no drift over ten seconds",
        clock: true,
        body: |bench| counts_periods(bench, (0x2f, 2)),
        ..BASE
    },
];

fn get(bench: &mut Bench<'_>, register: u8) -> Result<u8, Failure> {
    bench.session.outb(INDEX, register)?;
    Ok(bench.session.inb(DATA)?)
}

fn set(bench: &mut Bench<'_>, register: u8, value: u8) -> Result<(), Failure> {
    bench.session.outb(INDEX, register)?;
    Ok(bench.session.outb(DATA, value)?)
}

fn shows_time(bench: &mut Bench<'_>, spec: &Spec) -> Result<(), Failure> {
    set(bench, REGISTER_B, spec.format)?;
    for (register, expected) in spec.time {
        let found = get(bench, register)?;
        bench.check(format!("register {register:#04x}"), found, expected)?;
    }
    Ok(())
}

fn shows_half_day(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    set(bench, REGISTER_B, 0)?;
    let hours = get(bench, HOURS)?;
    bench.check("hours at noon", hours, expected)
}

fn takes_time(bench: &mut Bench<'_>, hours: u8) -> Result<(), Failure> {
    set(bench, REGISTER_B, SET | HOURS_24)?;
    set(bench, HOURS, 0x07)?;
    set(bench, REGISTER_B, HOURS_24)?;
    let found = get(bench, HOURS)?;
    bench.check("hours", found, hours)?;
    let minutes = get(bench, 0x02)?;
    bench.check("minutes", minutes, 0x34)
}

fn keeps_bytes(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    for value in [0x00, 0xff, 0x5a, 0xa5] {
        set(bench, RAM, value)?;
        set(bench, RAM + 1, !value)?;
        let found = get(bench, RAM)?;
        bench.check("byte", found, value)?;
    }
    let found = get(bench, RAM)?;
    bench.check("last byte", found, last)
}

fn reports_valid_ram(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    set(bench, REGISTER_D, 0)?;
    let found = get(bench, REGISTER_D)?;
    bench.check("register D", found, expected)
}

fn raises_alarm(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    for (register, value) in [(0x01, 0x58), (0x03, 0x34), (0x05, 0x12)] {
        set(bench, register, value)?;
    }
    set(bench, REGISTER_B, HOURS_24 | ALARM)?;
    get(bench, REGISTER_C)?;
    bench.session.clock_step(Some(1_000_000_000))?;
    let early = get(bench, REGISTER_C)?;
    bench.check("flags before the alarm", early & ALARM, 0)?;
    bench.session.clock_step(Some(2_000_000_000))?;
    let flags = get(bench, REGISTER_C)?;
    bench.check("flags of the alarm", flags & (ALARM | REQUESTED), expected)?;
    let cleared = get(bench, REGISTER_C)?;
    bench.check("flags after they were read", cleared & ALARM, 0)
}

fn follows_clock(bench: &mut Bench<'_>, expected: [u8; 2]) -> Result<(), Failure> {
    set(bench, REGISTER_B, HOURS_24)?;
    let now = bench.session.clock_set(5_000_000_000)?;
    bench.check("time of QEMU in ns", now, 5_000_000_000)?;
    let found = [get(bench, 0x00)?, get(bench, 0x02)?];
    bench.check("seconds and minutes", found, expected)
}

/// Looks every tenth of a second, for three seconds.
fn requests_updates(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    set(bench, REGISTER_B, HOURS_24 | UPDATE)?;
    get(bench, REGISTER_C)?;
    let mut count = 0;
    for _ in 0..30 {
        bench.session.clock_step(Some(100_000_000))?;
        if get(bench, REGISTER_C)? & (UPDATE | REQUESTED) == UPDATE | REQUESTED {
            count += 1;
        }
    }
    bench.check("updates in three seconds", count, expected)
}

/// Counts the periods of some seconds, by the flag that each sets.
fn counts_periods(bench: &mut Bench<'_>, (rate, hertz): (u8, u32)) -> Result<(), Failure> {
    const SECONDS: u32 = 10;
    let seconds = if hertz < 100 { SECONDS } else { 1 };
    set(bench, REGISTER_A, rate)?;
    set(bench, REGISTER_B, HOURS_24 | PERIODIC)?;
    get(bench, REGISTER_C)?;
    let (start, mut count) = (bench.session.clock_step(Some(1))?, 0u32);
    loop {
        let now = bench.session.clock_step(None)?;
        if now - start > u64::from(seconds) * 1_000_000_000 {
            break;
        }
        if get(bench, REGISTER_C)? & PERIODIC != 0 {
            count += 1;
        }
    }
    let drift = f64::from(count) / f64::from(hertz * seconds) - 1.0;
    bench.note(format!("{count} periods in {seconds} s: drift {drift:+.6}"));
    bench.check(
        "periods, to one more or less",
        count.abs_diff(hertz * seconds) <= 1,
        true,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let mut late = BCD;
        late.time[0].1 = 0x57;
        check_fails(TESTS, "shows-time-in-bcd", "register 0x00", |bench| {
            shows_time(bench, &late)
        });
        let mut binary = BINARY_TIME;
        binary.format = HOURS_24;
        check_fails(TESTS, "shows-time-in-binary", "register", |bench| {
            shows_time(bench, &binary)
        });
        check_fails(TESTS, "shows-hours-of-half-a-day", "hours", |bench| {
            shows_half_day(bench, 0x12)
        });
        check_fails(TESTS, "takes-a-new-time", "hours", |bench| {
            takes_time(bench, 0x12)
        });
        check_fails(TESTS, "keeps-cmos-bytes", "last byte", |bench| {
            keeps_bytes(bench, 0x5a)
        });
        check_fails(TESTS, "reports-valid-ram", "register D", |bench| {
            reports_valid_ram(bench, 0)
        });
        check_fails(TESTS, "raises-alarm", "flags of the alarm", |bench| {
            raises_alarm(bench, REQUESTED)
        });
        check_fails(TESTS, "follows-the-clock", "seconds", |bench| {
            follows_clock(bench, [0x00, 0x35])
        });
        check_fails(
            TESTS,
            "requests-interrupt-each-update",
            "updates",
            |bench| requests_updates(bench, 2),
        );
    }
}
