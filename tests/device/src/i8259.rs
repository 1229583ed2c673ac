//! The interrupt controller 8259A at the ports of a PC (Intel data sheet 231468).

use qtest::{Bench, Failure, Test};

const PIC: u16 = 0x20;

const BASE: Test = Test::of("i8259", &["isa"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "keeps-its-mask",
        description: "The mask register of an initialised 8259A keeps every value",
        body: |bench| keeps_mask(bench, 0xa5),
        ..BASE
    },
    Test {
        name: "has-nothing-in-service",
        description: "After initialisation no interrupt is in service",
        body: |bench| reads_service(bench, 0),
        ..BASE
    },
    Test {
        name: "latches-an-edge",
        description: "A line that rises is requested, masked or not, until the chip is initialised again",
        clock: true,
        body: |bench| latches_edge(bench, 1 << 5),
        ..BASE
    },
];

/// Initialises the first controller: edge-triggered, cascaded, vectors from 8.
fn initialise(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.session.outb(PIC, 0x11)?;
    for word in [0x08, 0x04, 0x01] {
        bench.session.outb(PIC + 1, word)?;
    }
    Ok(())
}

fn requests(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    const READ_REQUESTS: u8 = 0x0a;
    bench.session.outb(PIC, READ_REQUESTS)?;
    Ok(bench.session.inb(PIC)?)
}

fn keeps_mask(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    initialise(bench)?;
    for value in [0x00, 0xff, 0x5a, 0xa5] {
        bench.session.outb(PIC + 1, value)?;
        let found = bench.session.inb(PIC + 1)?;
        bench.check("mask", found, value)?;
    }
    let found = bench.session.inb(PIC + 1)?;
    bench.check("last mask", found, last)
}

fn reads_service(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const READ_SERVICE: u8 = 0x0b;
    initialise(bench)?;
    bench.session.outb(PIC, READ_SERVICE)?;
    let found = bench.session.inb(PIC)?;
    bench.check("in service", found, expected)
}

fn latches_edge(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const LINE: u32 = 5;
    initialise(bench)?;
    bench.session.outb(PIC + 1, 0xff)?;
    let pic = bench.device_path("isa-i8259")?;
    bench.session.set_irq_in(&pic, "", LINE, 1)?;
    let raised = requests(bench)?;
    bench.check(
        "requests of the raised line",
        raised & (1 << LINE),
        expected,
    )?;
    // The first initialisation word resets the edge sense: a line that is still up has to rise again.
    initialise(bench)?;
    let reset = requests(bench)?;
    bench.check("requests after initialisation", reset & (1 << LINE), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "keeps-its-mask", "last mask", |bench| {
            keeps_mask(bench, 0x5a)
        });
        check_fails(TESTS, "has-nothing-in-service", "in service", |bench| {
            reads_service(bench, 1)
        });
        check_fails(TESTS, "latches-an-edge", "raised line", |bench| {
            latches_edge(bench, 0)
        });
    }
}
