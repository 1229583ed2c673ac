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

mod ahci;
mod block_trace;
mod corpus;
mod e1000;
mod e1000e;
mod edu;
mod ehci;
mod ethernet;
mod floppy;
mod fw_cfg;
mod gicv2;
mod gicv3;
mod hd_geo;
mod host_bridge;
mod hpet;
mod i2c;
mod i440fx;
mod i6300esb;
mod i8254;
mod i8259;
mod ide;
mod igb;
mod intel_hda;
mod ioapic;
mod ipmi;
mod ivshmem;
mod m48t59;
mod ne2k;
mod nvme;
mod ohci;
mod pci_bridge;
mod pci_identity;
mod pci_testdev;
mod pcie_root_port;
mod pcnet;
mod pl011;
mod pl031;
mod pl061;
mod primecell;
mod pvpanic;
mod q35;
mod rtas;
mod rtc;
mod rtl8139;
mod sdhci;
mod serial_16550;
mod sja1000;
mod smbus;
mod spapr_pci;
mod spapr_vio;
mod tpm;
mod uhci;
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
mod xhci;

/// All device tests, by file.
pub fn tests() -> impl Iterator<Item = &'static Test> {
    [
        ahci::TESTS,
        block_trace::TESTS,
        corpus::TESTS,
        e1000::TESTS,
        e1000e::TESTS,
        edu::TESTS,
        ehci::TESTS,
        floppy::TESTS,
        fw_cfg::TESTS,
        gicv2::TESTS,
        gicv3::TESTS,
        hd_geo::TESTS,
        hpet::TESTS,
        i2c::TESTS,
        i440fx::TESTS,
        i6300esb::TESTS,
        i8254::TESTS,
        i8259::TESTS,
        ide::TESTS,
        igb::TESTS,
        intel_hda::TESTS,
        ioapic::TESTS,
        ipmi::TESTS,
        ivshmem::TESTS,
        m48t59::TESTS,
        ne2k::TESTS,
        nvme::TESTS,
        ohci::TESTS,
        pci_bridge::TESTS,
        pci_identity::TESTS,
        pci_testdev::TESTS,
        pcie_root_port::TESTS,
        pcnet::TESTS,
        pl011::TESTS,
        pl031::TESTS,
        pl061::TESTS,
        pvpanic::TESTS,
        q35::TESTS,
        rtas::TESTS,
        rtc::TESTS,
        rtl8139::TESTS,
        sdhci::TESTS,
        serial_16550::TESTS,
        sja1000::TESTS,
        smbus::TESTS,
        spapr_pci::TESTS,
        spapr_vio::TESTS,
        tpm::TESTS,
        uhci::TESTS,
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
        xhci::TESTS,
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
