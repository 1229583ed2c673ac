//! PCI bridges and hotplug slots (PCI-to-PCI Bridge Architecture Specification 1.2, chapter 3; PCI Express Base Specification
//! 5.0, section 7.5.3).

use std::time::Duration;

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

/// The PCI Express capability. In it: control and status of the slot.
const EXPRESS: u8 = 0x10;
const SLOT_CONTROL: u16 = 0x18;
const SLOT_STATUS: u16 = 0x1a;
/// Control: toggle the interlock. Status: the interlock is engaged.
const TOGGLE: u32 = 1 << 11;
const ENGAGED: u32 = 1 << 7;
/// Control: interrupts when the presence of a device changes. Status: it has changed.
const PRESENCE_INTERRUPT: u32 = 1 << 5 | 1 << 3;
const PRESENCE_CHANGED: u32 = 1 << 3;
/// PCI status: the function asserts its interrupt pin.
const INTX: u32 = 1 << 3;

const BRIDGE: Test = Test {
    models: &["pci-bridge", "edu"],
    arguments: &[
        "-device",
        "pci-bridge,id=bridge,chassis_nr=3,addr=4",
        "-device",
        "edu,bus=bridge,addr=1",
    ],
    ..Test::of("bridges", &["pci"])
};

const PORT: Test = Test {
    models: &["pcie-root-port"],
    // Slots of q35 have native hotplug only without ACPI hotplug.
    arguments: &[
        "-global",
        "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        "-device",
        "pcie-root-port,id=root0,chassis=3,addr=4",
    ],
    ..Test::of("bridges", &["pcie"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "forwards-accesses-to-new-window",
        description: "A bridge forwards accesses to a window as soon as it is set",
        body: |bench| forwards_window(bench, true),
        ..BRIDGE
    },
    Test {
        name: "forwards-accesses-while-enabled",
        description: "A bridge forwards accesses while its command register enables memory",
        body: |bench| forwards_while_enabled(bench, true),
        ..BRIDGE
    },
    Test {
        name: "toggles-interlock-of-a-slot",
        description: "A write to the interlock bit of the slot control toggles its status",
        body: |bench| toggles(bench, ENGAGED),
        ..PORT
    },
    Test {
        name: "interrupts-for-hotplug-in-a-slot",
        description: "A device that is added to a slot changes its status and raises its interrupt",
        body: |bench| interrupts(bench, INTX),
        ..PORT
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

/// The port, and the offset of its PCI Express capability.
fn port(bench: &mut Bench<'_>) -> Result<(Function, u16), Failure> {
    let port = bench.function(0x1b36, 0x000c)?;
    let (session, pci) = bench.pci()?;
    let found = pci.capabilities(session, port)?;
    let express = found.into_iter().find(|it| it.id == EXPRESS);
    let missing = || Failure::Missing("a PCI Express capability".to_owned());
    Ok((port, express.ok_or_else(missing)?.at))
}

fn toggles(bench: &mut Bench<'_>, engaged: u32) -> Result<(), Failure> {
    let (port, at) = port(bench)?;
    for expected in [engaged, 0] {
        bench.set_config(port, Width::W, at + SLOT_CONTROL, TOGGLE)?;
        let status = bench.config(port, Width::W, at + SLOT_STATUS)?;
        bench.check("interlock", status & ENGAGED, expected)?;
    }
    Ok(())
}

fn interrupts(bench: &mut Bench<'_>, raised: u32) -> Result<(), Failure> {
    let (port, at) = port(bench)?;
    bench.set_config(port, Width::W, at + SLOT_CONTROL, PRESENCE_INTERRUPT)?;
    let before = bench.config(port, Width::W, register::STATUS)?;
    bench.check("interrupt before", before & INTX, 0)?;
    let device = serde_json::json!({"driver": "virtio-rng-pci", "bus": "root0"});
    let qmp = bench.session.qmp();
    qmp.execute("device_add", device, Duration::from_secs(20))
        .map_err(|error| Failure::Missing(format!("a device that can be added: {error}")))?;
    let status = bench.config(port, Width::W, at + SLOT_STATUS)?;
    let changed = status & PRESENCE_CHANGED;
    bench.check("presence changed", changed, PRESENCE_CHANGED)?;
    let pending = bench.config(port, Width::W, register::STATUS)?;
    bench.check("interrupt for a new device", pending & INTX, raised)
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
        check_fails(TESTS, "toggles-interlock-of-a-slot", "interlock", |bench| {
            toggles(bench, 0)
        });
        let hotplug = "interrupts-for-hotplug-in-a-slot";
        check_fails(TESTS, hotplug, "new device", |bench| interrupts(bench, 0));
    }
}
