//! The serial port 16550A at the ports of a PC and on PCI (National Semiconductor's data sheet
//! PC16550D).

use qtest::pci::{Bar, BarAddress};
use qtest::{Bench, Failure, Test, Width};

const DATA: u64 = 0;
const INTERRUPT_ENABLE: u64 = 1;
const IDENTIFICATION: u64 = 2;
const LINE_CONTROL: u64 = 3;
const MODEM_CONTROL: u64 = 4;
const LINE_STATUS: u64 = 5;
const MODEM_STATUS: u64 = 6;
const SCRATCH: u64 = 7;

/// Line control: the first two registers are the divisor.
const DIVISOR: u64 = 1 << 7;
/// Modem control: outputs are connected to inputs.
const LOOP: u64 = 1 << 4;
/// Line status: data has arrived, the transmitter is empty.
const DATA_READY: u64 = 1;
const EMPTY: u64 = 0x60;

/// Identification: no interrupt is pending, or received data is available.
const NOTHING: u64 = 0x01;
const RECEIVED: u64 = 0x04;

/// The first serial port of a PC.
const COM1: Bar = Bar {
    address: BarAddress::Port(0x3f8),
    bus_address: 0x3f8,
    size: 8,
};

const ISA: Test = Test {
    models: &["isa-serial"],
    arguments: &["-serial", "null"],
    ..Test::of("serial-16550", &["isa"])
};

const PCI: Test = Test {
    needs: &["pci"],
    models: &["pci-serial"],
    arguments: &[
        "-chardev",
        "null,id=c",
        "-device",
        "pci-serial,addr=4,chardev=c",
    ],
    ..ISA
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "keeps-scratch-register",
        description: "The scratch register keeps every value",
        body: |bench| keeps_scratch(bench, COM1, 0xa5),
        ..ISA
    },
    Test {
        name: "has-divisor-behind-latch",
        description: "The divisor latch replaces data and interrupt enable",
        body: |bench| has_divisor(bench, COM1, 0x0103),
        ..ISA
    },
    Test {
        name: "connects-modem-lines-in-a-loop",
        description: "In loop mode, the outputs of the modem control are the inputs of the modem status",
        body: |bench| connects_modem(bench, COM1, 0xf0),
        ..ISA
    },
    Test {
        name: "reports-empty-transmitter",
        description: "After a reset, the transmitter is empty and no interrupt is pending",
        body: |bench| reports_empty(bench, COM1, EMPTY),
        ..ISA
    },
    Test {
        name: "keeps-scratch-register-behind-pci",
        description: "The scratch register keeps every value",
        body: |bench| {
            let bar = behind_pci(bench)?;
            keeps_scratch(bench, bar, 0xa5)
        },
        ..PCI
    },
    Test {
        name: "connects-modem-lines-in-a-loop-behind-pci",
        description: "In loop mode, the outputs of the modem control are the inputs of the modem status",
        body: |bench| {
            let bar = behind_pci(bench)?;
            connects_modem(bench, bar, 0xf0)
        },
        ..PCI
    },
    Test {
        name: "receives-its-own-byte-behind-pci",
        description: "In loop mode, a byte that is sent is received",
        body: |bench| {
            let bar = behind_pci(bench)?;
            receives_own_byte(bench, bar, 0x4b)
        },
        ..PCI
    },
    Test {
        name: "interrupts-for-received-byte-behind-pci",
        description: "A received byte is the pending interrupt until it is read",
        body: |bench| {
            let bar = behind_pci(bench)?;
            interrupts_for_byte(bench, bar, RECEIVED)
        },
        ..PCI
    },
];

fn behind_pci(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    let function = bench.function(0x1b36, 0x0002)?;
    bench.map(function, 0)
}

fn keeps_scratch(bench: &mut Bench<'_>, bar: Bar, last: u64) -> Result<(), Failure> {
    for value in [0x00, 0xff, 0x5a, 0xa5] {
        bench.write(bar, Width::B, SCRATCH, value)?;
    }
    let found = bench.read(bar, Width::B, SCRATCH)?;
    bench.check("scratch register", found, last)
}

fn has_divisor(bench: &mut Bench<'_>, bar: Bar, expected: u64) -> Result<(), Failure> {
    bench.write(bar, Width::B, INTERRUPT_ENABLE, 0)?;
    bench.write(bar, Width::B, LINE_CONTROL, DIVISOR)?;
    bench.write(bar, Width::B, DATA, 0x03)?;
    bench.write(bar, Width::B, INTERRUPT_ENABLE, 0x01)?;
    let low = bench.read(bar, Width::B, DATA)?;
    let high = bench.read(bar, Width::B, INTERRUPT_ENABLE)?;
    bench.check("divisor", high << 8 | low, expected)?;
    bench.write(bar, Width::B, LINE_CONTROL, 0)?;
    let enabled = bench.read(bar, Width::B, INTERRUPT_ENABLE)?;
    bench.check("interrupt enable", enabled, 0)
}

fn connects_modem(bench: &mut Bench<'_>, bar: Bar, all: u64) -> Result<(), Failure> {
    // DTR drives DSR, RTS drives CTS, OUT1 drives RI, OUT2 drives DCD.
    for (outputs, inputs) in [
        (0x01, 0x20),
        (0x02, 0x10),
        (0x04, 0x40),
        (0x08, 0x80),
        (0x0f, all),
    ] {
        bench.write(bar, Width::B, MODEM_CONTROL, LOOP | outputs)?;
        let found = bench.read(bar, Width::B, MODEM_STATUS)?;
        bench.check(
            format!("inputs for outputs {outputs:#x}"),
            found & 0xf0,
            inputs,
        )?;
    }
    Ok(())
}

fn reports_empty(bench: &mut Bench<'_>, bar: Bar, expected: u64) -> Result<(), Failure> {
    let status = bench.read(bar, Width::B, LINE_STATUS)?;
    bench.check("line status", status, expected)?;
    let pending = bench.read(bar, Width::B, IDENTIFICATION)?;
    bench.check("no interrupt is pending", pending & 1, 1)
}

fn receives_own_byte(bench: &mut Bench<'_>, bar: Bar, expected: u64) -> Result<(), Failure> {
    bench.write(bar, Width::B, MODEM_CONTROL, LOOP)?;
    bench.write(bar, Width::B, DATA, 0x4b)?;
    bench.wait_until("the byte has arrived", |bench| {
        Ok(bench.read(bar, Width::B, LINE_STATUS)? & DATA_READY != 0)
    })?;
    let found = bench.read(bar, Width::B, DATA)?;
    bench.check("received byte", found, expected)
}

fn interrupts_for_byte(bench: &mut Bench<'_>, bar: Bar, expected: u64) -> Result<(), Failure> {
    bench.write(bar, Width::B, MODEM_CONTROL, LOOP)?;
    bench.write(bar, Width::B, INTERRUPT_ENABLE, 1)?;
    let before = bench.read(bar, Width::B, IDENTIFICATION)?;
    bench.check("interrupt before a byte", before, NOTHING)?;
    bench.write(bar, Width::B, DATA, 0x4b)?;
    bench.wait_until("the byte has arrived", |bench| {
        Ok(bench.read(bar, Width::B, LINE_STATUS)? & DATA_READY != 0)
    })?;
    let pending = bench.read(bar, Width::B, IDENTIFICATION)?;
    bench.check("interrupt for a byte", pending, expected)?;
    bench.read(bar, Width::B, DATA)?;
    let after = bench.read(bar, Width::B, IDENTIFICATION)?;
    bench.check("interrupt after it was read", after, NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "keeps-scratch-register", "scratch", |bench| {
            keeps_scratch(bench, COM1, 0x5a)
        });
        check_fails(TESTS, "has-divisor-behind-latch", "divisor", |bench| {
            has_divisor(bench, COM1, 0x0101)
        });
        check_fails(TESTS, "connects-modem-lines-in-a-loop", "inputs", |bench| {
            connects_modem(bench, COM1, 0x0f)
        });
        check_fails(TESTS, "reports-empty-transmitter", "line status", |bench| {
            reports_empty(bench, COM1, 0)
        });
        check_fails(
            TESTS,
            "receives-its-own-byte-behind-pci",
            "received byte",
            |bench| {
                let bar = behind_pci(bench)?;
                receives_own_byte(bench, bar, 0x4c)
            },
        );
        check_fails(
            TESTS,
            "interrupts-for-received-byte-behind-pci",
            "interrupt for a byte",
            |bench| {
                let bar = behind_pci(bench)?;
                interrupts_for_byte(bench, bar, NOTHING)
            },
        );
    }
}
