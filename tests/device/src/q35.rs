//! The host bridge of a `q35` (Intel data sheet 316966, 82Q35).

use qtest::{Bench, Failure, Test, Width};

use crate::host_bridge::{BRIDGE, identifies, maps_ram};

const BASE: Test = Test::of("q35", &["q35"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "Vendor and device are those of the 82Q35",
        body: |bench| identifies(bench, 0x29c0_8086),
        ..BASE
    },
    Test {
        name: "maps-ram-over-rom",
        description: "A segment whose attributes allow reads and writes is RAM",
        body: |bench| maps_ram(bench, 0x90, 0x5a),
        ..BASE
    },
    Test {
        name: "has-configuration-space-in-memory",
        description: "An enabled PCIEXBAR has the same registers as the ports",
        body: |bench| has_ecam(bench, 0x29c0_8086),
        ..BASE
    },
];

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
        check_fails(TESTS, "maps-ram-over-rom", "byte", |bench| {
            maps_ram(bench, 0x90, 0xa5)
        });
        check_fails(
            TESTS,
            "has-configuration-space-in-memory",
            "in memory",
            |bench| has_ecam(bench, 0x1237_8086),
        );
    }
}
