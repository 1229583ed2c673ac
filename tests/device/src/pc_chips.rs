//! Chips of a PC without a PCI function: interrupt controller 8259A, timer 8254, IOAPIC and HPET.
//!
//! Registers are those of Intel's data sheets 8259A, 8254, 82093AA, and of the IA-PC HPET
//! Specification 1.0a.

use qtest::{Bench, Failure, Test, Width};

const PIC: u16 = 0x20;
const PIT: u16 = 0x40;
const IOAPIC: u64 = 0xfec0_0000;
const HPET: u64 = 0xfed0_0000;

const BASE: Test = Test::of("pc-chips", &["isa"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "pic-keeps-its-mask",
        description: "The mask register of an initialised 8259A keeps every value",
        body: |bench| pic_mask(bench, 0xa5),
        ..BASE
    },
    Test {
        name: "pic-has-nothing-in-service",
        description: "After initialisation no interrupt is in service",
        body: |bench| pic_service(bench, 0),
        ..BASE
    },
    Test {
        name: "pit-reports-its-mode",
        description: "The read-back command of the 8254 returns mode and access of a counter",
        body: |bench| pit_mode(bench, 0x34),
        ..BASE
    },
    Test {
        name: "pic-latches-an-edge",
        description: "A line that rises is requested, masked or not, until the chip is initialised again",
        clock: true,
        body: |bench| pic_edge(bench, 1 << 5),
        ..BASE
    },
    Test {
        name: "pit-interrupts-each-period",
        description: "Counter 0 in mode 2 raises its interrupt once per period of 1,193,182 Hz",
        clock: true,
        body: |bench| pit_periods(bench, 16),
        ..BASE
    },
    Test {
        name: "hpet-comparator-fires-once",
        description: "A one-shot comparator requests its interrupt at its time, once",
        clock: true,
        body: |bench| hpet_comparator(bench, 1),
        ..BASE
    },
    Test {
        name: "ioapic-reports-24-entries",
        description: "The version register has the number of redirection entries",
        body: |bench| ioapic_entries(bench, 24),
        ..BASE
    },
    Test {
        name: "ioapic-keeps-redirection-entry",
        description: "An entry keeps its vector and mask; its status bits are read-only",
        body: |bench| ioapic_entry(bench, 0x1_0035),
        ..BASE
    },
    Test {
        name: "hpet-reports-period",
        description: "The period of the counter is 10 ns, and there are at least three comparators",
        body: |bench| hpet_period(bench, 10_000_000),
        ..BASE
    },
    Test {
        name: "hpet-counter-stands-when-disabled",
        description: "The main counter of a timer that is not enabled keeps what is written",
        body: |bench| hpet_counter(bench, 0x1234_5678),
        ..BASE
    },
];

/// Initialises the first controller: edge-triggered, cascaded, vectors from 8.
fn initialise_pic(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.session.outb(PIC, 0x11)?;
    for word in [0x08, 0x04, 0x01] {
        bench.session.outb(PIC + 1, word)?;
    }
    Ok(())
}

fn pic_mask(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    initialise_pic(bench)?;
    for value in [0x00, 0xff, 0x5a, 0xa5] {
        bench.session.outb(PIC + 1, value)?;
        let found = bench.session.inb(PIC + 1)?;
        bench.check("mask", found, value)?;
    }
    let found = bench.session.inb(PIC + 1)?;
    bench.check("last mask", found, last)
}

fn pic_service(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const READ_SERVICE: u8 = 0x0b;
    initialise_pic(bench)?;
    bench.session.outb(PIC, READ_SERVICE)?;
    let found = bench.session.inb(PIC)?;
    bench.check("in service", found, expected)
}

/// Sets counter 0 to mode 2 with two bytes of count, and reads its status back.
fn pit_status(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    const STATUS_OF_0: u8 = 0xe2;
    for (port, value) in [
        (PIT + 3, 0x34),
        (PIT, 0x00),
        (PIT, 0x10),
        (PIT + 3, STATUS_OF_0),
    ] {
        bench.session.outb(port, value)?;
    }
    Ok(bench.session.inb(PIT)?)
}

fn pit_mode(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = pit_status(bench)?;
    bench.check("access, mode and BCD", status & 0x3f, expected)
}

fn pic_requests(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    const READ_REQUESTS: u8 = 0x0a;
    bench.session.outb(PIC, READ_REQUESTS)?;
    Ok(bench.session.inb(PIC)?)
}

fn pic_edge(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const LINE: u32 = 5;
    initialise_pic(bench)?;
    bench.session.outb(PIC + 1, 0xff)?;
    let pic = bench.device_path("isa-i8259")?;
    bench.session.set_irq_in(&pic, "", LINE, 1)?;
    let raised = pic_requests(bench)?;
    bench.check(
        "requests of the raised line",
        raised & (1 << LINE),
        expected,
    )?;
    // The first initialisation word resets the edge sense: a line that is still up has to rise again.
    initialise_pic(bench)?;
    let reset = pic_requests(bench)?;
    bench.check("requests after initialisation", reset & (1 << LINE), 0)
}

fn pit_periods(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    // 16 periods of 4096 ticks, and half a period so that rounding does not count.
    const NANOSECONDS: u64 = 4096 * 33 * 1_000_000_000 / (2 * 1_193_182);
    bench.session.irq_intercept_in("ioapic")?;
    for (port, value) in [(PIT + 3, 0x34), (PIT, 0x00), (PIT, 0x10)] {
        bench.session.outb(port, value)?;
    }
    bench.session.take_irqs();
    bench.session.clock_step(Some(NANOSECONDS))?;
    let irqs = bench.session.take_irqs();
    // Lines are counted as interrupts of ISA, before the override that leads the timer to input 2.
    let raised = irqs.iter().filter(|irq| irq.line == 0 && irq.raised);
    bench.check("interrupts", raised.count(), expected)
}

fn hpet_comparator(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const ENABLE: u32 = 1;
    const LEVEL: u32 = 1 << 1;
    const INTERRUPT: u32 = 1 << 2;
    const STATUS: u64 = HPET + 0x20;
    const TIMER: u64 = HPET + 0x100;
    // A tick takes 10 ns: the interrupt is due after 10 µs.
    bench.session.writel(TIMER, LEVEL | INTERRUPT)?;
    bench.session.writel(TIMER + 8, 1000)?;
    bench.session.writel(TIMER + 12, 0)?;
    bench.session.writel(HPET + 0x10, ENABLE)?;
    bench.session.clock_step(Some(9_000))?;
    let early = bench.session.readl(STATUS)?;
    bench.check("status before its time", early, 0)?;
    bench.session.clock_step(Some(2_000))?;
    let due = bench.session.readl(STATUS)?;
    bench.check("status at its time", due, expected)?;
    bench.session.writel(STATUS, 1)?;
    bench.session.clock_step(Some(1_000_000))?;
    let later = bench.session.readl(STATUS)?;
    bench.check("status after it was cleared", later, 0)
}

fn ioapic(bench: &mut Bench<'_>, register: u8) -> Result<u32, Failure> {
    bench.session.writel(IOAPIC, register.into())?;
    Ok(bench.session.readl(IOAPIC + 0x10)?)
}

fn ioapic_entries(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let version = ioapic(bench, 1)?;
    bench.check("redirection entries", (version >> 16 & 0xff) + 1, expected)
}

fn ioapic_entry(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    // Delivery status (bit 12) and remote IRR (bit 14) are read-only.
    bench.session.writel(IOAPIC, 0x10)?;
    bench.session.writel(IOAPIC + 0x10, 0x1_5035)?;
    let found = ioapic(bench, 0x10)?;
    bench.check("redirection entry", found, expected)
}

fn hpet_period(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let period = bench.session.readl(HPET + 4)?;
    bench.check("period in femtoseconds", period, expected)?;
    let capabilities = bench.session.readl(HPET)?;
    let comparators = (capabilities >> 8 & 0x1f) + 1;
    bench.check("three comparators", comparators >= 3, true)
}

fn hpet_counter(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    bench.session.write_width(Width::Q, HPET + 0x10, 0)?;
    bench.session.writel(HPET + 0xf0, 0x1234_5678)?;
    let found = bench.session.readl(HPET + 0xf0)?;
    bench.check("counter", u64::from(found), expected)?;
    let again = bench.session.readl(HPET + 0xf0)?;
    bench.check("counter when read again", u64::from(again), expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "pic-keeps-its-mask", "last mask", |bench| {
            pic_mask(bench, 0x5a)
        });
        check_fails(TESTS, "pic-has-nothing-in-service", "in service", |bench| {
            pic_service(bench, 1)
        });
        check_fails(TESTS, "pit-reports-its-mode", "access", |bench| {
            pit_mode(bench, 0x36)
        });
        check_fails(TESTS, "pic-latches-an-edge", "raised line", |bench| {
            pic_edge(bench, 0)
        });
        check_fails(TESTS, "pit-interrupts-each-period", "interrupts", |bench| {
            pit_periods(bench, 15)
        });
        check_fails(TESTS, "hpet-comparator-fires-once", "its time", |bench| {
            hpet_comparator(bench, 0)
        });
        check_fails(TESTS, "ioapic-reports-24-entries", "entries", |bench| {
            ioapic_entries(bench, 16)
        });
        check_fails(TESTS, "ioapic-keeps-redirection-entry", "entry", |bench| {
            ioapic_entry(bench, 0x1_5035)
        });
        check_fails(TESTS, "hpet-reports-period", "period", |bench| {
            hpet_period(bench, 1)
        });
        check_fails(
            TESTS,
            "hpet-counter-stands-when-disabled",
            "counter",
            |bench| hpet_counter(bench, 0),
        );
    }
}
