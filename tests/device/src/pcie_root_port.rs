//! Hotplug in the slot of a PCI Express root port (PCI Express Base Specification 5.0, section 7.5.3).

use qtest::pci::{Function, register};
use qtest::{Bench, Failure, Test, Width};

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

const BASE: Test = Test {
    models: &["pcie-root-port"],
    // Slots of q35 have native hotplug only without ACPI hotplug.
    arguments: &[
        "-global",
        "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        "-device",
        "pcie-root-port,id=root0,chassis=3,addr=4",
    ],
    ..Test::of("pcie-root-port", &["pcie"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "toggles-interlock",
        description: "A write to the interlock bit of the slot control toggles its status",
        body: |bench| toggles(bench, ENGAGED),
        ..BASE
    },
    Test {
        name: "interrupts-for-hotplug",
        description: "A device that is added to a slot changes its status and raises its interrupt",
        body: |bench| interrupts(bench, INTX),
        ..BASE
    },
];

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
    bench
        .session
        .qmp("device_add", device)
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
        check_fails(TESTS, "toggles-interlock", "interlock", |bench| {
            toggles(bench, 0)
        });
        check_fails(TESTS, "interrupts-for-hotplug", "new device", |bench| {
            interrupts(bench, 0)
        });
    }
}
