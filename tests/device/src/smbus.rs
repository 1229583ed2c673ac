//! The `SMBus` controllers of a PC's south bridge (Intel 82371AB, section 7.3; Intel I/O Controller Hub 9, section 20.2)
//! and the EEPROMs of the memory modules behind it (System Management Bus Specification 2.0).

use qtest::pci::BarAddress;
use qtest::{Bench, Failure, Test, Width};

/// Registers of the controller.
const STATUS: u16 = 0;
const CONTROL: u16 = 2;
const COMMAND: u16 = 3;
const ADDRESS: u16 = 4;
const DATA_0: u16 = 5;
const DATA_1: u16 = 6;

const BUSY: u8 = 1;
const DONE: u8 = 1 << 1;
const DEVICE_ERROR: u8 = 1 << 2;
/// All bits of the status, to clear them.
const ALL: u8 = 0xff;
/// Control: start a transaction of a protocol.
const START: u8 = 1 << 6;
const QUICK: u8 = 0 << 2;
const BYTE: u8 = 1 << 2;
const BYTE_DATA: u8 = 2 << 2;
const WORD_DATA: u8 = 3 << 2;
/// Address: a read.
const READ: u8 = 1;

/// The address of the EEPROM of the first memory module, and one without a device.
const EEPROM: u8 = 0x50;
const ABSENT: u8 = 0x40;

const ICH9: Test = Test::of("smbus", &["q35"]);
const PIIX4: Test = Test::of("smbus", &["pc"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "ich9-keeps-bytes-of-eeprom",
        description: "Bytes that were written to an EEPROM are read back, and no others change",
        body: |bench| keeps_bytes(bench, ich9, 0),
        ..ICH9
    },
    Test {
        name: "ich9-transfers-words",
        description: "A word is two bytes, the lower one first",
        body: |bench| transfers_words(bench, ich9, 0x34),
        ..ICH9
    },
    Test {
        name: "ich9-receives-next-byte",
        description: "Receive Byte returns the byte after the last address",
        body: |bench| receives(bench, ich9, [0x11, 0x22]),
        ..ICH9
    },
    Test {
        name: "ich9-reports-absent-device",
        description: "An address without a device is a device error",
        body: |bench| absent(bench, ich9, DEVICE_ERROR),
        ..ICH9
    },
    Test {
        name: "ich9-finds-eight-modules",
        description: "A quick command finds the EEPROMs of eight memory modules",
        body: |bench| finds(bench, ich9, 0xff),
        ..ICH9
    },
    Test {
        name: "ich9-is-off-until-enabled",
        description: "Without the enable bit of the host configuration, the ports do not answer",
        body: |bench| is_off(bench, 0xff),
        ..ICH9
    },
    Test {
        name: "piix4-keeps-bytes-of-eeprom",
        description: "Bytes that were written to an EEPROM are read back, and no others change",
        body: |bench| keeps_bytes(bench, piix4, 0),
        ..PIIX4
    },
    Test {
        name: "piix4-transfers-words",
        description: "A word is two bytes, the lower one first",
        body: |bench| transfers_words(bench, piix4, 0x34),
        ..PIIX4
    },
    Test {
        name: "piix4-reports-absent-device",
        description: "An address without a device is a device error",
        body: |bench| absent(bench, piix4, DEVICE_ERROR),
        ..PIIX4
    },
];

/// Enables a controller. Returns its first port.
type Enable = fn(&mut Bench<'_>) -> Result<u16, Failure>;

fn ich9(bench: &mut Bench<'_>) -> Result<u16, Failure> {
    const HOST_CONFIGURATION: u16 = 0x40;
    let function = bench.function(0x8086, 0x2930)?;
    let bar = bench.map(function, 4)?;
    bench.set_config(function, Width::B, HOST_CONFIGURATION, 1)?;
    match bar.address {
        BarAddress::Port(port) => Ok(port),
        BarAddress::Memory(_) => Err(Failure::Missing("ports of the SMBus".to_owned())),
    }
}

fn piix4(bench: &mut Bench<'_>) -> Result<u16, Failure> {
    const BASE_ADDRESS: u16 = 0x90;
    const HOST_CONFIGURATION: u16 = 0xd2;
    const PORT: u16 = 0xb100;
    let function = bench.function(0x8086, 0x7113)?;
    bench.set_config(function, Width::L, BASE_ADDRESS, u32::from(PORT) | 1)?;
    bench.set_config(function, Width::B, HOST_CONFIGURATION, 1)?;
    Ok(PORT)
}

/// Performs a transaction. Returns the status at its end.
fn transact(bench: &mut Bench<'_>, base: u16, address: u8, kind: u8) -> Result<u8, Failure> {
    bench.session.outb(base + STATUS, ALL)?;
    bench.session.outb(base + ADDRESS, address)?;
    bench.session.outb(base + CONTROL, START | kind)?;
    let mut status = 0;
    bench.wait_until("the transaction is done", |bench| {
        status = bench.session.inb(base + STATUS)?;
        Ok(status & BUSY == 0 && status != 0)
    })?;
    Ok(status & (DONE | DEVICE_ERROR))
}

fn write_byte(bench: &mut Bench<'_>, base: u16, at: u8, value: u8) -> Result<(), Failure> {
    bench.session.outb(base + COMMAND, at)?;
    bench.session.outb(base + DATA_0, value)?;
    let status = transact(bench, base, EEPROM << 1, BYTE_DATA)?;
    bench.check("status of the write", status, DONE)
}

fn read_byte(bench: &mut Bench<'_>, base: u16, at: u8) -> Result<u8, Failure> {
    bench.session.outb(base + COMMAND, at)?;
    let status = transact(bench, base, EEPROM << 1 | READ, BYTE_DATA)?;
    bench.check("status of the read", status, DONE)?;
    Ok(bench.session.inb(base + DATA_0)?)
}

fn keeps_bytes(bench: &mut Bench<'_>, enable: Enable, neighbour: u8) -> Result<(), Failure> {
    let base = enable(bench)?;
    write_byte(bench, base, 0x80, 0xa5)?;
    write_byte(bench, base, 0xff, 0x5a)?;
    for (at, expected) in [(0x80, 0xa5), (0xff, 0x5a), (0x7f, 0), (0x81, neighbour)] {
        let found = read_byte(bench, base, at)?;
        bench.check(format!("byte {at:#x}"), found, expected)?;
    }
    Ok(())
}

fn transfers_words(bench: &mut Bench<'_>, enable: Enable, low: u8) -> Result<(), Failure> {
    let base = enable(bench)?;
    bench.session.outb(base + COMMAND, 0x20)?;
    bench.session.outb(base + DATA_0, 0x34)?;
    bench.session.outb(base + DATA_1, 0x12)?;
    let status = transact(bench, base, EEPROM << 1, WORD_DATA)?;
    bench.check("status of the write", status, DONE)?;
    for (at, expected) in [(0x21, 0x12), (0x20, low)] {
        let found = read_byte(bench, base, at)?;
        bench.check(format!("byte {at:#x}"), found, expected)?;
    }
    let status = transact(bench, base, EEPROM << 1 | READ, WORD_DATA)?;
    bench.check("status of the read", status, DONE)?;
    let found = [
        bench.session.inb(base + DATA_0)?,
        bench.session.inb(base + DATA_1)?,
    ];
    bench.check("word", found, [0x34, 0x12])
}

fn receives(bench: &mut Bench<'_>, enable: Enable, expected: [u8; 2]) -> Result<(), Failure> {
    let base = enable(bench)?;
    for (at, value) in (0x30..).zip([0x11, 0x22]) {
        write_byte(bench, base, at, value)?;
    }
    // Send Byte sets the address.
    bench.session.outb(base + COMMAND, 0x30)?;
    let status = transact(bench, base, EEPROM << 1, BYTE)?;
    bench.check("status of Send Byte", status, DONE)?;
    let mut found = [0; 2];
    for value in &mut found {
        let status = transact(bench, base, EEPROM << 1 | READ, BYTE)?;
        bench.check("status of Receive Byte", status, DONE)?;
        *value = bench.session.inb(base + DATA_0)?;
    }
    bench.check("bytes", found, expected)
}

fn absent(bench: &mut Bench<'_>, enable: Enable, expected: u8) -> Result<(), Failure> {
    let base = enable(bench)?;
    let status = transact(bench, base, ABSENT << 1 | READ, BYTE)?;
    bench.check("status without a device", status, expected)?;
    let status = transact(bench, base, EEPROM << 1, QUICK)?;
    bench.check("status with a device", status, DONE)
}

fn finds(bench: &mut Bench<'_>, enable: Enable, expected: u32) -> Result<(), Failure> {
    let base = enable(bench)?;
    let mut found = 0;
    for module in 0..16 {
        let status = transact(bench, base, (0x48 + module) << 1, QUICK)?;
        found |= u32::from(status == DONE) << module;
    }
    // The first eight addresses are below those of memory modules.
    bench.check("modules", found >> 8, expected)?;
    bench.check("devices below", found & 0xff, 0)
}

fn is_off(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const HOST_CONFIGURATION: u16 = 0x40;
    let base = ich9(bench)?;
    let on = bench.session.inb(base + CONTROL)?;
    bench.check("control while enabled", on, 0)?;
    let function = bench.function(0x8086, 0x2930)?;
    bench.set_config(function, Width::B, HOST_CONFIGURATION, 0)?;
    let found = bench.session.inb(base + CONTROL)?;
    bench.check("control while off", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        for (chip, enable) in [("ich9", ich9 as Enable), ("piix4", piix4)] {
            let name = |test: &str| format!("{chip}-{test}");
            check_fails(TESTS, &name("keeps-bytes-of-eeprom"), "0x81", |bench| {
                keeps_bytes(bench, enable, 0xa5)
            });
            check_fails(TESTS, &name("transfers-words"), "0x20", |bench| {
                transfers_words(bench, enable, 0x12)
            });
            check_fails(TESTS, &name("reports-absent-device"), "without", |bench| {
                absent(bench, enable, DONE)
            });
        }
        check_fails(TESTS, "ich9-receives-next-byte", "bytes", |bench| {
            receives(bench, ich9, [0x11, 0x11])
        });
        check_fails(TESTS, "ich9-finds-eight-modules", "modules", |bench| {
            finds(bench, ich9, 0x7f)
        });
        check_fails(TESTS, "ich9-is-off-until-enabled", "off", |bench| {
            is_off(bench, 0)
        });
    }
}
