//! A PCI bridge (PCI-to-PCI Bridge Architecture Specification 1.2, chapter 3).

use qtest::pci::{Bar, Function, register};
use qtest::{Bench, Failure, Test, Width};

/// In configuration space: the secondary and the subordinate bus, and the limits of the memory window.
const BUSES: u16 = 0x18;
const WINDOW: u16 = 0x20;
/// A window that is closed, because its end is below its start.
const CLOSED: u32 = 0x0000_fff0;
/// Command: the function decodes memory, and its bus may use memory.
const MEMORY: u32 = 0b110;
/// The function behind the bridge.
const EDU: Function = Function {
    bus: 1,
    device: 1,
    function: 0,
};

const BASE: Test = Test {
    models: &["pci-bridge", "edu"],
    arguments: &[
        "-device",
        "pci-bridge,id=bridge,chassis_nr=3,addr=4",
        "-device",
        "edu,bus=bridge,addr=1",
    ],
    ..Test::of("pci-bridge", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "forwards-accesses-to-new-window",
        description: "A bridge forwards accesses to a window as soon as it is set",
        body: |bench| forwards_window(bench, true),
        ..BASE
    },
    Test {
        name: "forwards-accesses-while-enabled",
        description: "A bridge forwards accesses while its command register enables memory",
        body: |bench| forwards_while_enabled(bench, true),
        ..BASE
    },
];

/// Places the function behind the bridge. Returns the bridge, the function's region and a window for it.
fn place(bench: &mut Bench<'_>) -> Result<(Function, Bar, u32), Failure> {
    let bridge = bench.function(0x1b36, 0x0001)?;
    bench.set_config(bridge, Width::L, BUSES, 0x0001_0100)?;
    let id = bench.config(EDU, Width::L, register::ID)?;
    bench.check("function behind the bridge", id, 0x11e8_1234)?;
    bench.set_config(EDU, Width::W, register::COMMAND, MEMORY)?;
    let bar = bench.map(EDU, 0)?;
    let start = (bar.bus_address >> 16 & 0xfff0) as u32;
    Ok((bridge, bar, start << 16 | start))
}

/// Whether the identification of the function behind the bridge can be read. The registers of edu have the byte order of the target.
fn is_reached(bench: &mut Bench<'_>, bar: Bar) -> Result<bool, Failure> {
    let identification = bench.read(bar, Width::L, 0)?;
    Ok([0x0100_00ed, 0xed00_0001].contains(&identification))
}

fn forwards_window(bench: &mut Bench<'_>, expected: bool) -> Result<(), Failure> {
    let (bridge, bar, window) = place(bench)?;
    bench.set_config(bridge, Width::L, WINDOW, CLOSED)?;
    bench.set_config(bridge, Width::W, register::COMMAND, MEMORY)?;
    let before = is_reached(bench, bar)?;
    bench.check("reached through a closed window", before, false)?;
    bench.set_config(bridge, Width::L, WINDOW, window)?;
    let found = is_reached(bench, bar)?;
    bench.check("reached through the window", found, expected)
}

fn forwards_while_enabled(bench: &mut Bench<'_>, expected: bool) -> Result<(), Failure> {
    let (bridge, bar, window) = place(bench)?;
    bench.set_config(bridge, Width::W, register::COMMAND, 0)?;
    bench.set_config(bridge, Width::L, WINDOW, window)?;
    for (command, expected) in [(0, false), (MEMORY, expected), (0, false)] {
        bench.set_config(bridge, Width::W, register::COMMAND, command)?;
        let found = is_reached(bench, bar)?;
        bench.check(format!("reached with command {command}"), found, expected)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let window = "forwards-accesses-to-new-window";
        check_fails(TESTS, window, "through the window", |bench| {
            forwards_window(bench, false)
        });
        let enabled = "forwards-accesses-while-enabled";
        check_fails(TESTS, enabled, "reached with command 6", |bench| {
            forwards_while_enabled(bench, false)
        });
    }
}
