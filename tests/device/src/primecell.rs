//! Arm peripherals: UART PL011, real-time clock PL031, GPIO PL061, and an interrupt distributor.
//!
//! Registers are those of the technical reference manuals DDI 0183, DDI 0224, DDI 0190, and of the
//! architecture specification IHI 0048.

use qtest::{Bench, Failure, Test, Version};

/// The last four words of a peripheral's page (DDI 0183, section 3.3.18).
const CELL_ID: [u32; 4] = [0x0d, 0xf0, 0x05, 0xb1];

const BASE: Test = Test::of("primecell", &["primecell"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "pl011-identifies-itself",
        description: "The identification registers have part number 0x011",
        body: |bench| identifies(bench, "pl011", 0x11),
        ..BASE
    },
    Test {
        name: "pl031-identifies-itself",
        description: "The identification registers have part number 0x031",
        body: |bench| identifies(bench, "pl031", 0x31),
        ..BASE
    },
    Test {
        name: "pl061-identifies-itself",
        description: "The identification registers have part number 0x061",
        body: |bench| identifies(bench, "pl061", 0x61),
        ..BASE
    },
    Test {
        name: "pl011-flags-are-idle",
        description: "After a reset, the transmit FIFO is empty and so is the receive FIFO",
        body: |bench| uart_flags(bench, 0x90),
        ..BASE
    },
    Test {
        name: "pl011-keeps-baud-rate",
        description: "The divisors of the baud rate keep 16 and 6 bits",
        // Older versions keep 32 bits.
        oldest_qemu: Version::new(10, 0, 0),
        body: |bench| uart_baud(bench, 0x3f),
        ..BASE
    },
    Test {
        name: "pl031-shows-base-time",
        description: "The data register has the seconds since 1970 that QEMU was told",
        arguments: &["-rtc", "base=2023-11-14T22:13:20,clock=vm"],
        body: |bench| rtc_time(bench, 1_700_000_000),
        ..BASE
    },
    Test {
        name: "pl031-takes-a-new-time",
        description: "A time that is loaded is the new time",
        arguments: &["-rtc", "base=2023-11-14T22:13:20,clock=vm"],
        body: |bench| rtc_load(bench, 0x1234_5678),
        ..BASE
    },
    Test {
        name: "pl031-matches-at-its-time",
        description: "The alarm is raised in the second that it matches, and stays until it is cleared",
        arguments: &["-rtc", "base=2023-11-14T22:13:20,clock=vm"],
        clock: true,
        body: |bench| rtc_match(bench, 1),
        ..BASE
    },
    Test {
        name: "pl061-shows-its-inputs",
        description: "A line that is driven from outside shows in the data register and requests an interrupt",
        clock: true,
        body: |bench| gpio_input(bench, 1 << 5),
        ..BASE
    },
    Test {
        name: "gic-pends-a-driven-line",
        description: "A shared interrupt is pending while its line is driven",
        clock: true,
        body: |bench| gic_pending(bench, 1 << 9),
        ..BASE
    },
    Test {
        name: "pl061-masks-data-by-address",
        description: "Bits of the address select which bits of the data register are written",
        body: |bench| gpio_mask(bench, 0x0a),
        ..BASE
    },
    Test {
        name: "gic-reports-its-lines",
        description: "The distributor has 288 interrupt lines, 32 of them per processor",
        body: |bench| gic_lines(bench, 8),
        ..BASE
    },
    Test {
        name: "gic-enables-and-disables-lines",
        description: "Set-enable and clear-enable registers change only the bits that are written",
        body: |bench| gic_enable(bench, 0x6),
        ..BASE
    },
    Test {
        name: "gic-keeps-priorities",
        description: "The priority of a shared interrupt is kept",
        body: |bench| gic_priority(bench, 0xa0),
        ..BASE
    },
];

fn identifies(bench: &mut Bench<'_>, name: &str, part: u32) -> Result<(), Failure> {
    let base = bench.at(name)?;
    let found = bench.session.readl(base + 0xfe0)?;
    bench.check("part number", found, part)?;
    for (index, expected) in (0u64..).zip(CELL_ID) {
        let found = bench.session.readl(base + 0xff0 + 4 * index)?;
        bench.check(format!("cell identification {index}"), found, expected)?;
    }
    Ok(())
}

fn uart_flags(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl011")?;
    let flags = bench.session.readl(base + 0x18)?;
    bench.check("flags", flags & 0xf8, expected)
}

fn uart_baud(bench: &mut Bench<'_>, fraction: u32) -> Result<(), Failure> {
    let base = bench.at("pl011")?;
    bench.session.writel(base + 0x24, 0xffff_ffff)?;
    bench.session.writel(base + 0x28, 0xffff_ffff)?;
    let whole = bench.session.readl(base + 0x24)?;
    bench.check("integer divisor", whole, 0xffff)?;
    let found = bench.session.readl(base + 0x28)?;
    bench.check("fractional divisor", found, fraction)
}

fn rtc_time(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    let found = bench.session.readl(base)?;
    bench.check("time", found, expected)
}

fn rtc_load(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    bench.session.writel(base + 0x08, 0x1234_5678)?;
    let found = bench.session.readl(base)?;
    bench.check("time", found, expected)
}

fn rtc_match(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    let now = bench.session.readl(base)?;
    bench.session.writel(base + 0x04, now + 2)?;
    bench.session.writel(base + 0x10, 1)?;
    bench.session.clock_step(Some(1_000_000_000))?;
    let early = bench.session.readl(base + 0x14)?;
    bench.check("raw status before the match", early, 0)?;
    bench.session.clock_step(Some(1_500_000_000))?;
    let due = bench.session.readl(base + 0x18)?;
    bench.check("status at the match", due, expected)?;
    bench.session.writel(base + 0x1c, 1)?;
    let cleared = bench.session.readl(base + 0x14)?;
    bench.check("raw status after it was cleared", cleared, 0)
}

fn gpio_input(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LINE: u32 = 5;
    let base = bench.at("pl061")?;
    let chip = bench.device_path("pl061")?;
    // The interrupt of this line follows the rising edge.
    bench.session.writel(base + 0x40c, 1 << LINE)?;
    bench.session.writel(base + 0x410, 1 << LINE)?;
    bench.session.set_irq_in(&chip, "", LINE, 1)?;
    let data = bench.session.readl(base + (0xff << 2))?;
    bench.check("data", data & (1 << LINE), expected)?;
    let status = bench.session.readl(base + 0x418)?;
    bench.check("masked interrupt status", status, expected)?;
    bench.session.set_irq_in(&chip, "", LINE, 0)?;
    let data = bench.session.readl(base + (0xff << 2))?;
    bench.check("data of the released line", data & (1 << LINE), 0)
}

fn gic_pending(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LINE: u32 = 9;
    let base = bench.at("gic")?;
    let chip = bench.device_path("arm_gic")?;
    let before = bench.session.readl(base + 0x204)?;
    bench.check("pending before", before & (1 << LINE), 0)?;
    bench.session.set_irq_in(&chip, "", LINE, 1)?;
    let driven = bench.session.readl(base + 0x204)?;
    bench.check("pending while it is driven", driven & (1 << LINE), expected)?;
    bench.session.set_irq_in(&chip, "", LINE, 0)?;
    let released = bench.session.readl(base + 0x204)?;
    bench.check("pending after", released & (1 << LINE), 0)
}

fn gpio_mask(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl061")?;
    // All lines are outputs.
    bench.session.writel(base + 0x400, 0xff)?;
    bench.session.writel(base + (0xff << 2), 0)?;
    bench.session.writel(base + (0x0a << 2), 0xff)?;
    let found = bench.session.readl(base + (0xff << 2))?;
    bench.check("data", found, expected)
}

fn gic_lines(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    let found = bench.session.readl(base + 0x004)?;
    bench.check("lines in units of 32, less one", found & 0x1f, expected)
}

fn gic_enable(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    bench.session.writel(base + 0x104, 0x7)?;
    bench.session.writel(base + 0x184, 0x1)?;
    let found = bench.session.readl(base + 0x104)?;
    bench.check("enabled lines", found, expected)
}

fn gic_priority(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    bench.session.writeb(base + 0x420, 0xa0)?;
    let found = bench.session.readb(base + 0x420)?;
    bench.check("priority", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "pl011-identifies-itself", "part number", |bench| {
            identifies(bench, "pl011", 0x10)
        });
        check_fails(TESTS, "pl011-flags-are-idle", "flags", |bench| {
            uart_flags(bench, 0)
        });
        check_fails(TESTS, "pl011-keeps-baud-rate", "fractional", |bench| {
            uart_baud(bench, 0xff)
        });
        check_fails(TESTS, "pl031-shows-base-time", "time", |bench| {
            rtc_time(bench, 1)
        });
        check_fails(TESTS, "pl031-takes-a-new-time", "time", |bench| {
            rtc_load(bench, 1)
        });
        check_fails(
            TESTS,
            "pl031-matches-at-its-time",
            "at the match",
            |bench| rtc_match(bench, 0),
        );
        check_fails(TESTS, "pl061-shows-its-inputs", "data", |bench| {
            gpio_input(bench, 0)
        });
        check_fails(TESTS, "gic-pends-a-driven-line", "driven", |bench| {
            gic_pending(bench, 0)
        });
        check_fails(TESTS, "pl061-masks-data-by-address", "data", |bench| {
            gpio_mask(bench, 0xff)
        });
        check_fails(TESTS, "gic-reports-its-lines", "lines", |bench| {
            gic_lines(bench, 1)
        });
        check_fails(
            TESTS,
            "gic-enables-and-disables-lines",
            "enabled",
            |bench| gic_enable(bench, 0x7),
        );
        check_fails(TESTS, "gic-keeps-priorities", "priority", |bench| {
            gic_priority(bench, 0)
        });
    }
}
