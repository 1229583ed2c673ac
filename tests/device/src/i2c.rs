//! Freescale's I2C controller of an i.MX25 and of a PowerPC e500 (MPC8544E Reference Manual, chapter 11; i.MX25
//! Reference Manual, chapter 31), with the real-time clock DS1338 and an EEPROM as devices.

use qtest::{Bench, Failure, Test, Width};

/// Registers, in the width of the machine.
const CONTROL: u64 = 0x08;
const STATUS: u64 = 0x0c;
const DATA: u64 = 0x10;

const ENABLE: u64 = 1 << 7;
const MASTER: u64 = 1 << 5;
const TRANSMIT: u64 = 1 << 4;
const NO_ACKNOWLEDGE: u64 = 1 << 3;

const BUS_BUSY: u64 = 1 << 5;
const INTERRUPT: u64 = 1 << 1;
const NOT_ACKNOWLEDGED: u64 = 1;

const CLOCK_ADDRESS: u64 = 0x69;
const EEPROM_ADDRESS: u64 = 0x50;
const ABSENT: u64 = 0x2a;

const BASE: Test = Test {
    models: &["ds1338", "at24c-eeprom"],
    arguments: &[
        "-rtc",
        "base=2023-11-14T12:34:56,clock=vm",
        "-device",
        "ds1338,address=0x69",
        "-device",
        "at24c-eeprom,address=0x50,rom-size=256",
    ],
    ..Test::of("i2c", &["i2c"])
};

/// QEMU computes a new time with the host's clock even if its clock is another one.
const ON_HOST_CLOCK: &[&str] = &[
    "-rtc",
    "base=2023-01-14T12:00:00",
    "-device",
    "ds1338,address=0x69",
];

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "bus-is-busy-during-transfer",
        description: "The bus is busy from the start of a transfer to its end",
        body: |bench| is_busy(bench, BUS_BUSY),
        ..BASE
    },
    Test {
        name: "absent-device-does-not-acknowledge",
        description: "An address without a device is not acknowledged, one with a device is",
        body: |bench| acknowledges(bench, NOT_ACKNOWLEDGED),
        ..BASE
    },
    Test {
        name: "transfer-requests-interrupt",
        description: "The end of a byte sets the interrupt bit, which software clears",
        body: |bench| interrupts(bench, INTERRUPT),
        ..BASE
    },
    Test {
        name: "ds1338-shows-time",
        description: "The registers of the clock have the time of the command line in BCD",
        body: |bench| shows_time(bench, [0x56, 0x34, 0x12, 3, 0x14, 0x11, 0x23]),
        ..BASE
    },
    Test {
        name: "ds1338-takes-new-time",
        description: "The clock returns the hour and the date that were written",
        arguments: ON_HOST_CLOCK,
        body: |bench| takes_time(bench, [0x01, 5, 0x28, 0x02, 0x24]),
        ..BASE
    },
    Test {
        name: "ds1338-keeps-ram",
        description: "The bytes after the registers are RAM, and the address wraps around after 64 bytes",
        body: |bench| keeps_ram(bench, [0xa1, 0xa2, 0x56]),
        ..BASE
    },
    Test {
        name: "eeprom-keeps-bytes",
        description: "Bytes that were written to an EEPROM are read back, and the next one is not changed",
        body: |bench| keeps_bytes(bench, [0x4b, 0x69, 0x6c, 0x6e, 0]),
        ..BASE
    },
];

fn width(bench: &Bench<'_>) -> Result<Width, Failure> {
    Ok(if bench.at("i2c-bytes")? == 1 {
        Width::B
    } else {
        Width::W
    })
}

fn get(bench: &mut Bench<'_>, register: u64) -> Result<u64, Failure> {
    let at = bench.at("i2c")? + register;
    let width = width(bench)?;
    Ok(bench.session.read_width(width, at)?)
}

fn set(bench: &mut Bench<'_>, register: u64, value: u64) -> Result<(), Failure> {
    let at = bench.at("i2c")? + register;
    let width = width(bench)?;
    Ok(bench.session.write_width(width, at, value)?)
}

/// Starts a transfer to an address, with the read bit. Returns the acknowledge bit of the status.
fn start(bench: &mut Bench<'_>, address: u64, is_read: bool) -> Result<u64, Failure> {
    set(bench, CONTROL, ENABLE)?;
    set(bench, STATUS, 0)?;
    set(bench, CONTROL, ENABLE | MASTER | TRANSMIT)?;
    set(bench, DATA, address << 1 | u64::from(is_read))?;
    Ok(get(bench, STATUS)? & NOT_ACKNOWLEDGED)
}

/// Ends a transfer.
fn stop(bench: &mut Bench<'_>) -> Result<(), Failure> {
    set(bench, CONTROL, ENABLE)
}

/// Writes bytes to a device.
fn send(bench: &mut Bench<'_>, address: u64, bytes: &[u8]) -> Result<(), Failure> {
    let refused = start(bench, address, false)?;
    bench.check("acknowledge of the address", refused, 0)?;
    for byte in bytes {
        set(bench, DATA, (*byte).into())?;
        let refused = get(bench, STATUS)? & NOT_ACKNOWLEDGED;
        bench.check("acknowledge of a byte", refused, 0)?;
    }
    stop(bench)
}

/// Reads bytes from a device.
fn receive<const N: usize>(bench: &mut Bench<'_>, address: u64) -> Result<[u8; N], Failure> {
    let refused = start(bench, address, true)?;
    bench.check("acknowledge of the address", refused, 0)?;
    set(bench, CONTROL, ENABLE | MASTER)?;
    // A read returns the last byte and starts the transfer of the next one, so the first read has no byte.
    get(bench, DATA)?;
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        if index + 1 == N {
            set(bench, CONTROL, ENABLE | MASTER | TRANSMIT | NO_ACKNOWLEDGE)?;
        }
        *byte = (get(bench, DATA)? & 0xff) as u8;
    }
    stop(bench)?;
    Ok(bytes)
}

fn is_busy(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let before = get(bench, STATUS)?;
    bench.check("busy before", before & BUS_BUSY, 0)?;
    start(bench, CLOCK_ADDRESS, false)?;
    let during = get(bench, STATUS)?;
    bench.check("busy during the transfer", during & BUS_BUSY, expected)?;
    stop(bench)?;
    let after = get(bench, STATUS)?;
    bench.check("busy after", after & BUS_BUSY, 0)
}

fn acknowledges(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let found = start(bench, ABSENT, false)?;
    bench.check("no acknowledge of an absent device", found, expected)?;
    stop(bench)?;
    for address in [CLOCK_ADDRESS, EEPROM_ADDRESS] {
        let found = start(bench, address, false)?;
        bench.check(format!("no acknowledge of {address:#x}"), found, 0)?;
        stop(bench)?;
    }
    Ok(())
}

fn interrupts(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    start(bench, CLOCK_ADDRESS, false)?;
    set(bench, STATUS, 0)?;
    let before = get(bench, STATUS)?;
    bench.check("interrupt before the byte", before & INTERRUPT, 0)?;
    set(bench, DATA, 8)?;
    let after = get(bench, STATUS)?;
    bench.check("interrupt after the byte", after & INTERRUPT, expected)?;
    stop(bench)
}

/// The registers from the seconds to the year.
fn time(bench: &mut Bench<'_>) -> Result<[u8; 7], Failure> {
    send(bench, CLOCK_ADDRESS, &[0])?;
    receive(bench, CLOCK_ADDRESS)
}

fn shows_time(bench: &mut Bench<'_>, expected: [u8; 7]) -> Result<(), Failure> {
    let found = time(bench)?;
    bench.check("time", found, expected)
}

fn takes_time(bench: &mut Bench<'_>, expected: [u8; 5]) -> Result<(), Failure> {
    send(bench, CLOCK_ADDRESS, &[4, 0x28, 0x02, 0x24])?;
    // QEMU counts the day of the week with the date, so it is written after the date.
    send(bench, CLOCK_ADDRESS, &[0, 0x03, 0x02, 0x01, 5])?;
    let found = time(bench)?;
    bench.check("hour and date", &found[2..], &expected[..])
}

fn keeps_ram(bench: &mut Bench<'_>, expected: [u8; 3]) -> Result<(), Failure> {
    send(bench, CLOCK_ADDRESS, &[0x3e, 0xa1, 0xa2])?;
    send(bench, CLOCK_ADDRESS, &[0x3e])?;
    let found = receive::<4>(bench, CLOCK_ADDRESS)?;
    bench.check("last bytes of RAM", &found[..2], &expected[..2])?;
    bench.check("minutes after them", found[3], 0x34)
}

fn keeps_bytes(bench: &mut Bench<'_>, expected: [u8; 5]) -> Result<(), Failure> {
    send(bench, EEPROM_ADDRESS, &[0x10, 0x4b, 0x69, 0x6c, 0x6e])?;
    send(bench, EEPROM_ADDRESS, &[0x10])?;
    let found = receive::<5>(bench, EEPROM_ADDRESS)?;
    bench.check("bytes", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "bus-is-busy-during-transfer", "during", |bench| {
            is_busy(bench, 0)
        });
        check_fails(
            TESTS,
            "absent-device-does-not-acknowledge",
            "absent",
            |bench| acknowledges(bench, 0),
        );
        check_fails(TESTS, "transfer-requests-interrupt", "after", |bench| {
            interrupts(bench, 0)
        });
        check_fails(TESTS, "ds1338-shows-time", "time", |bench| {
            shows_time(bench, [0x56, 0x34, 0x12, 3, 0x15, 0x11, 0x23])
        });
        check_fails(TESTS, "ds1338-takes-new-time", "date", |bench| {
            takes_time(bench, [0x01, 4, 0x28, 0x02, 0x24])
        });
        check_fails(TESTS, "ds1338-keeps-ram", "RAM", |bench| {
            keeps_ram(bench, [0xa1, 0xa1, 0x56])
        });
        check_fails(TESTS, "eeprom-keeps-bytes", "bytes", |bench| {
            keeps_bytes(bench, [0x4b, 0x69, 0x6c, 0x6e, 0x4b])
        });
    }
}
