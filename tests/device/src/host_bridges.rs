//! Host bridges of a PC: the memory attributes of the 440FX, and the memory-mapped configuration
//! space of the Q35.
//!
//! Registers are those of Intel's data sheets 290549 (82441FX) and 316966 (82Q35).

use qtest::pci::Function;
use qtest::{Bench, Failure, Test, Width};

/// The host bridge.
const BRIDGE: Function = Function {
    bus: 0,
    device: 0,
    function: 0,
};

const BASE: Test = Test::of("host-bridges", &["pc"]);

const Q35: Test = Test {
    needs: &["q35"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "i440fx-identifies-itself",
        description: "Vendor and device are those of the 82441FX",
        body: |bench| identifies(bench, 0x1237_8086),
        ..BASE
    },
    Test {
        name: "i440fx-maps-ram-over-rom",
        description: "A segment whose attributes allow reads and writes is RAM",
        body: |bench| maps_ram(bench, 0x59, 0x5a),
        ..BASE
    },
    Test {
        name: "q35-identifies-itself",
        description: "Vendor and device are those of the 82Q35",
        body: |bench| identifies(bench, 0x29c0_8086),
        ..Q35
    },
    Test {
        name: "q35-maps-ram-over-rom",
        description: "A segment whose attributes allow reads and writes is RAM",
        body: |bench| maps_ram(bench, 0x90, 0x5a),
        ..Q35
    },
    Test {
        name: "q35-has-configuration-space-in-memory",
        description: "An enabled PCIEXBAR has the same registers as the ports",
        body: |bench| has_ecam(bench, 0x29c0_8086),
        ..Q35
    },
];

/// The segment that the first attribute register controls.
const SEGMENT: u64 = 0xf_0000;
const READ_AND_WRITE: u32 = 0x30;

fn identifies(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let found = bench.config(BRIDGE, Width::L, 0)?;
    bench.check("vendor and device", found, expected)
}

fn maps_ram(bench: &mut Bench<'_>, register: u16, expected: u8) -> Result<(), Failure> {
    bench.set_config(BRIDGE, Width::B, register, READ_AND_WRITE)?;
    for value in [0xa5, 0x5a] {
        bench.session.writeb(SEGMENT, value)?;
    }
    let found = bench.session.readb(SEGMENT)?;
    bench.check("byte of the segment", found, expected)
}

fn has_ecam(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const PCIEXBAR: u16 = 0x60;
    const ADDRESS: u32 = 0xb000_0000;
    bench.set_config(BRIDGE, Width::L, PCIEXBAR + 4, 0)?;
    bench.set_config(BRIDGE, Width::L, PCIEXBAR, ADDRESS | 1)?;
    let found = bench.session.readl(ADDRESS.into())?;
    bench.check("vendor and device in memory", found, expected)?;
    bench.set_config(BRIDGE, Width::L, PCIEXBAR, ADDRESS)?;
    let off = bench.session.readl(ADDRESS.into())?;
    bench.check("is off", off == expected, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "i440fx-identifies-itself", "vendor", |bench| {
            identifies(bench, 0)
        });
        check_fails(TESTS, "i440fx-maps-ram-over-rom", "byte", |bench| {
            maps_ram(bench, 0x59, 0xa5)
        });
        check_fails(TESTS, "q35-maps-ram-over-rom", "byte", |bench| {
            maps_ram(bench, 0x90, 0xa5)
        });
        check_fails(
            TESTS,
            "q35-has-configuration-space-in-memory",
            "in memory",
            |bench| has_ecam(bench, 0x1237_8086),
        );
    }
}
