//! Tests of QEMU's device models over qtest, and the machines that they run on.
//!
//! Each file is named after a device and was written from its specification. Expected values are in
//! a `Spec`. The unit tests of each file show that a wrong value makes the device test fail. `cargo
//! xtask test --kind device` runs the device tests.

use std::sync::LazyLock;

use qtest::machine::MachineError;
use qtest::{Machine, Test};

#[cfg(test)]
mod mutation;

mod block_trace;
mod bridges;
mod can_cards;
mod corpus;
mod e1000;
mod e1000e;
mod edu;
mod fw_cfg;
mod gicv3;
mod hd_geo;
mod host_bridges;
mod i2c;
mod ide;
mod igb;
mod ipmi;
mod m48t59;
mod ne2k;
mod nvme;
mod pc_chips;
mod pci_identity;
mod pci_testdev;
mod primecell;
mod rtas;
mod rtc;
mod serial_16550;
mod small_pci_devices;
mod smbus;
mod spapr_pci;
mod spapr_vio;
mod storage_controllers;
mod tpm;
mod usb_controllers;
mod virtio_9p;
mod virtio_balloon;
mod virtio_blk;
mod virtio_mem;
mod virtio_mmio;
mod virtio_net;
mod virtio_pci;
mod virtio_rng;
mod virtio_scsi;
mod virtio_serial;
mod vmcoreinfo;

/// All device tests, by file.
pub fn tests() -> impl Iterator<Item = &'static Test> {
    [
        block_trace::TESTS,
        bridges::TESTS,
        can_cards::TESTS,
        corpus::TESTS,
        e1000::TESTS,
        e1000e::TESTS,
        edu::TESTS,
        fw_cfg::TESTS,
        gicv3::TESTS,
        hd_geo::TESTS,
        host_bridges::TESTS,
        i2c::TESTS,
        ide::TESTS,
        igb::TESTS,
        ipmi::TESTS,
        m48t59::TESTS,
        ne2k::TESTS,
        nvme::TESTS,
        pc_chips::TESTS,
        pci_identity::TESTS,
        pci_testdev::TESTS,
        primecell::TESTS,
        rtas::TESTS,
        rtc::TESTS,
        serial_16550::TESTS,
        small_pci_devices::TESTS,
        smbus::TESTS,
        spapr_pci::TESTS,
        spapr_vio::TESTS,
        storage_controllers::TESTS,
        tpm::TESTS,
        usb_controllers::TESTS,
        virtio_9p::TESTS,
        virtio_balloon::TESTS,
        virtio_blk::TESTS,
        virtio_mem::TESTS,
        virtio_mmio::TESTS,
        virtio_net::TESTS,
        virtio_pci::TESTS,
        virtio_rng::TESTS,
        virtio_scsi::TESTS,
        virtio_serial::TESTS,
        vmcoreinfo::TESTS,
    ]
    .into_iter()
    .flatten()
}

/// The machines of `machines.toml`.
pub fn machines() -> Result<&'static [Machine], MachineError> {
    static MACHINES: LazyLock<Result<Vec<Machine>, MachineError>> =
        LazyLock::new(|| qtest::machine::read(include_str!("../machines.toml")));
    MACHINES.as_deref().map_err(Clone::clone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_need_is_provided_by_some_machine() {
        let machines = machines().unwrap();
        for test in tests() {
            let name = format!("{}::{}", test.device, test.name);
            let provided = machines.iter().any(|it| it.provides(test.needs));
            assert!(provided, "{name} needs {:?}", test.needs);
        }
    }

    #[test]
    fn names_of_tests_are_unique() {
        let names: Vec<_> = tests().map(|test| (test.device, test.name)).collect();
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn every_file_is_named_after_its_device() {
        let devices: BTreeSet<String> = tests().map(|test| test.device.replace('-', "_")).collect();
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        for device in &devices {
            let file = format!("{here}/{device}.rs");
            assert!(std::path::Path::new(&file).is_file(), "{file}");
        }
    }
}
