//! The host bridge 440FX of a `pc` (Intel data sheet 290549).

use qtest::Test;

use crate::host_bridge::{identifies, maps_ram};

const BASE: Test = Test::of("i440fx", &["pc"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "Vendor and device are those of the 82441FX",
        body: |bench| identifies(bench, 0x1237_8086),
        ..BASE
    },
    Test {
        name: "maps-ram-over-rom",
        description: "A segment whose attributes allow reads and writes is RAM",
        body: |bench| maps_ram(bench, 0x59, 0x5a),
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "identifies-itself", "vendor", |bench| {
            identifies(bench, 0)
        });
        check_fails(TESTS, "maps-ram-over-rom", "byte", |bench| {
            maps_ram(bench, 0x59, 0xa5)
        });
    }
}
