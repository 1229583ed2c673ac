//! Virtual devices of a pseries machine (Power Architecture Platform Requirements 2.7, sections 15 to 17): their nodes
//! in the device tree, and what firmware calls do with them.
//!
//! Guests use these devices with hypercalls, which qtest does not have.

use qtest::fdt::Node;
use qtest::{Bench, Failure, Test, rtas};

const SUCCESS: u32 = 0;
const PARAMETER_ERROR: u32 = (-3i32).cast_unsigned();

/// The address of each device on the virtual bus.
const TERMINAL: u32 = 0x7100_0001;
const NETWORK: u32 = 0x7100_0002;
const DISKS: u32 = 0x7100_0003;

const BASE: Test = Test {
    models: &["spapr-vty", "spapr-vlan", "spapr-vscsi"],
    arguments: &[
        "-chardev",
        "ringbuf,id=terminal",
        "-device",
        "spapr-vty,chardev=terminal,reg=0x71000001",
        "-device",
        "spapr-vlan,reg=0x71000002,mac=52:54:00:0c:0d:0e",
        "-device",
        "spapr-vscsi,reg=0x71000003",
    ],
    ..Test::of("spapr-vio", &["pseries"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "tree-has-terminal",
        description: "The node of the terminal has its address, kind and interrupt",
        body: |bench| has_node(bench, "vty@71000001", "hvterm1", TERMINAL),
        ..BASE
    },
    Test {
        name: "tree-has-network-card",
        description: "The node of the network card has its address, kind and interrupt",
        body: |bench| has_node(bench, "l-lan@71000002", "IBM,l-lan", NETWORK),
        ..BASE
    },
    Test {
        name: "tree-has-scsi-adapter",
        description: "The node of the SCSI adapter has its address, kind and interrupt",
        body: |bench| has_node(bench, "v-scsi@71000003", "IBM,v-scsi", DISKS),
        ..BASE
    },
    Test {
        name: "tree-has-ethernet-address",
        description: "The node of the network card has its Ethernet address and size limits",
        body: |bench| has_ethernet_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "each-device-has-own-window",
        description: "Devices that access memory have a DMA window of their own, a terminal has none",
        body: |bench| has_windows(bench, 2),
        ..BASE
    },
    Test {
        name: "each-device-has-own-interrupt",
        description: "No two devices share an interrupt",
        body: |bench| has_interrupts(bench, 3),
        ..BASE
    },
    Test {
        name: "bypasses-translation-of-device",
        description: "ibm,set-tce-bypass succeeds for a device with a window and fails for others",
        body: |bench| bypasses(bench, [SUCCESS, SUCCESS, PARAMETER_ERROR, PARAMETER_ERROR]),
        ..BASE
    },
    Test {
        name: "display-character-prints-to-terminal",
        description: "The firmware call for a character prints it to the terminal",
        body: |bench| displays(bench, "Kiln"),
        ..BASE
    },
];

/// The node of a virtual device.
fn node(bench: &mut Bench<'_>, name: &str) -> Result<Node, Failure> {
    let nodes = bench.device_tree()?;
    let missing = || Failure::Missing(format!("the node `{name}`"));
    nodes
        .into_iter()
        .find(|it| it.name == name)
        .ok_or_else(missing)
}

fn has_node(bench: &mut Bench<'_>, name: &str, kind: &str, address: u32) -> Result<(), Failure> {
    let node = node(bench, name)?;
    bench.check("kind", node.is_compatible(kind), true)?;
    bench.check("address", node.cells("reg"), vec![address])?;
    // An interrupt has a number and a trigger.
    bench.check("cells of the interrupt", node.cells("interrupts").len(), 2)
}

fn has_ethernet_address(bench: &mut Bench<'_>, expected: [u8; 6]) -> Result<(), Failure> {
    let node = node(bench, "l-lan@71000002")?;
    let address = node.bytes("local-mac-address");
    bench.check("Ethernet address", address, expected.as_slice())?;
    let filter = node.cells("ibm,mac-address-filters");
    bench.check("cells of the filters", filter.len(), 1)
}

/// The nodes of the three devices.
fn devices(bench: &mut Bench<'_>) -> Result<Vec<Node>, Failure> {
    let mut nodes = bench.device_tree()?;
    nodes.retain(|node| {
        [[TERMINAL], [NETWORK], [DISKS]]
            .iter()
            .any(|it| node.cells("reg") == it)
    });
    Ok(nodes)
}

fn has_windows(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    let nodes = devices(bench)?;
    let mut windows: Vec<_> = nodes
        .iter()
        .map(|it| it.cells("ibm,my-dma-window"))
        .collect();
    windows.retain(|window| !window.is_empty());
    // The first cell is the number of the window.
    windows.sort();
    windows.dedup_by_key(|window| window[0]);
    bench.check("windows", windows.len(), expected)
}

fn has_interrupts(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    let nodes = devices(bench)?;
    let mut interrupts: Vec<_> = nodes.iter().map(|it| it.cells("interrupts")).collect();
    interrupts.sort();
    interrupts.dedup();
    bench.check("interrupts", interrupts.len(), expected)
}

/// Calls a firmware function that returns only a status.
fn call(bench: &mut Bench<'_>, function: &str, arguments: &[u32]) -> Result<u32, Failure> {
    let at = bench.allocate(64, 64)?;
    let [status] = rtas::call(&mut bench.session, function, at, arguments)?;
    bench.release(at)?;
    Ok(status)
}

fn bypasses(bench: &mut Bench<'_>, expected: [u32; 4]) -> Result<(), Failure> {
    const ABSENT: u32 = 0x7100_00ff;
    for (device, expected) in [NETWORK, DISKS, TERMINAL, ABSENT].into_iter().zip(expected) {
        let status = call(bench, "ibm,set-tce-bypass", &[device, 1])?;
        bench.check(format!("status for {device:#x}"), status, expected)?;
    }
    Ok(())
}

fn displays(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    for character in "Kiln".bytes() {
        let status = call(bench, "display-character", &[character.into()])?;
        bench.check("status", status, SUCCESS)?;
    }
    let arguments = serde_json::json!({ "device": "terminal", "size": 64 });
    let printed = bench.session.qmp("ringbuf-read", arguments);
    let printed =
        printed.map_err(|error| Failure::Missing(format!("output of the terminal: {error}")))?;
    bench.check("output", printed.as_str().unwrap_or_default(), expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        for (test, name, kind, address) in [
            ("tree-has-terminal", "vty@71000001", "hvterm1", NETWORK),
            (
                "tree-has-network-card",
                "l-lan@71000002",
                "IBM,l-lan",
                DISKS,
            ),
            (
                "tree-has-scsi-adapter",
                "v-scsi@71000003",
                "IBM,v-scsi",
                TERMINAL,
            ),
        ] {
            check_fails(TESTS, test, "address", |bench| {
                has_node(bench, name, kind, address)
            });
            check_fails(TESTS, test, "kind", |bench| {
                has_node(bench, name, "IBM,v-other", address)
            });
        }
        check_fails(TESTS, "tree-has-ethernet-address", "Ethernet", |bench| {
            has_ethernet_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "each-device-has-own-window", "windows", |bench| {
            has_windows(bench, 3)
        });
        check_fails(
            TESTS,
            "each-device-has-own-interrupt",
            "interrupts",
            |bench| has_interrupts(bench, 2),
        );
        check_fails(
            TESTS,
            "bypasses-translation-of-device",
            "0x71000001",
            |bench| bypasses(bench, [SUCCESS; 4]),
        );
        check_fails(
            TESTS,
            "display-character-prints-to-terminal",
            "output",
            |bench| displays(bench, "kiln"),
        );
    }
}
