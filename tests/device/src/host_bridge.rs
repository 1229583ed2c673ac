//! What the host bridges of `pc` and `q35` have in common: the registers of PCI and the attributes of memory segments.

use qtest::pci::Function;
use qtest::{Bench, Failure, Width};

/// The host bridge.
pub(crate) const BRIDGE: Function = Function {
    bus: 0,
    device: 0,
    function: 0,
};

/// The segment that the first attribute register controls.
const SEGMENT: u64 = 0xf_0000;
const READ_AND_WRITE: u32 = 0x30;

pub(crate) fn identifies(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let found = bench.config(BRIDGE, Width::L, 0)?;
    bench.check("vendor and device", found, expected)
}

pub(crate) fn maps_ram(bench: &mut Bench<'_>, register: u16, expected: u8) -> Result<(), Failure> {
    bench.set_config(BRIDGE, Width::B, register, READ_AND_WRITE)?;
    for value in [0xa5, 0x5a] {
        bench.session.writeb(SEGMENT, value)?;
    }
    let found = bench.session.readb(SEGMENT)?;
    bench.check("byte of the segment", found, expected)
}
