//! The identification registers that Arm's peripherals have in common.

use qtest::{Bench, Failure};

/// The last four words of a peripheral's page (DDI 0183, section 3.3.18).
const CELL_ID: [u32; 4] = [0x0d, 0xf0, 0x05, 0xb1];

/// Checks the part number of the peripheral of this name.
pub(crate) fn identifies(bench: &mut Bench<'_>, name: &str, part: u32) -> Result<(), Failure> {
    let base = bench.at(name)?;
    let found = bench.session.readl(base + 0xfe0)?;
    bench.check("part number", found, part)?;
    for (index, expected) in (0u64..).zip(CELL_ID) {
        let found = bench.session.readl(base + 0xff0 + 4 * index)?;
        bench.check(format!("cell identification {index}"), found, expected)?;
    }
    Ok(())
}
