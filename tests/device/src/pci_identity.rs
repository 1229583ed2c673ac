//! Identification of PCI devices: IDs, class, base address registers and capabilities.
//!
//! The IDs of QEMU's own devices are from docs/specs/pci-ids.rst, those of virtio devices from
//! VIRTIO 1.2 (4.1.2.1), all others from data sheets. Classes are from the PCI Code and ID
//! Assignment Specification.

use qtest::pci::{MSI, MSI_X, register};
use qtest::{Bench, Failure, Test, Width};

/// A base address register: number, kind and size.
type Register = (u8, Kind, u64);

/// The kind of a base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// I/O ports.
    Ports,
    /// Memory below 4 GiB.
    Memory,
    /// Memory anywhere.
    Wide,
}

use Kind::{Memory, Ports, Wide};

/// PCI capability: specific to the vendor.
const VENDOR_SPECIFIC: u8 = 0x09;
/// PCI capability: power management.
const POWER: u8 = 0x01;

/// The identification of a device.
#[derive(Debug, Clone, Copy)]
struct Spec {
    vendor: u16,
    device: u16,
    class: u32,
    registers: &'static [Register],
    capabilities: &'static [u8],
}

const BASE: Test = Test {
    description: "Numbers, class, base address registers and capabilities are those of the specification",
    ..Test::of("pci-identity", &["pci"])
};

/// A test of a device model: model, backend options, vendor, device, class, registers, capabilities.
macro_rules! model {
    ($model:literal, [$($option:literal),*], $properties:literal, $vendor:literal : $device:literal, $class:literal,
     $registers:expr, $capabilities:expr) => {
        Test {
            name: $model,
            models: &[$model],
            arguments: &[$($option,)* "-device", concat!($model, ",addr=4", $properties)],
            body: |bench| {
                let spec = Spec {
                    vendor: $vendor,
                    device: $device,
                    class: $class,
                    registers: $registers,
                    capabilities: $capabilities,
                };
                identifies(bench, &spec)
            },
            ..BASE
        }
    };
}

#[rustfmt::skip]
pub(crate) const TESTS: &[Test] = &[
    model!("e1000", [], "", 0x8086:0x100e, 0x02_0000, &[(0, Memory, 0x2_0000), (1, Ports, 0x40)], &[]),
    model!("rtl8139", [], "", 0x10ec:0x8139, 0x02_0000, &[(0, Ports, 0x100), (1, Memory, 0x100)], &[]),
    model!("ne2k_pci", [], "", 0x10ec:0x8029, 0x02_0000, &[(0, Ports, 0x100)], &[]),
    model!("pcnet", [], "", 0x1022:0x2000, 0x02_0000, &[(0, Ports, 0x20), (1, Memory, 0x20)], &[]),
    model!("i82557b", [], "", 0x8086:0x1229, 0x02_0000, &[(0, Memory, 0x1000), (1, Ports, 0x40), (2, Memory, 0x2_0000)], &[]),
    model!("virtio-net-pci", [], "", 0x1af4:0x1000, 0x02_0000, &[(0, Ports, 0x20), (4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("virtio-scsi-pci", [], "", 0x1af4:0x1004, 0x01_0000, &[(0, Ports, 0x40), (4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("virtio-rng-pci", [], "", 0x1af4:0x1005, 0x00_ff00, &[(0, Ports, 0x20), (4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("virtio-balloon-pci", [], "", 0x1af4:0x1002, 0x00_ff00, &[(0, Ports, 0x40), (4, Wide, 0x4000)], &[VENDOR_SPECIFIC]),
    model!("virtio-serial-pci", [], "", 0x1af4:0x1003, 0x07_8000, &[(0, Ports, 0x40), (4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("virtio-gpu-pci", [], "", 0x1af4:0x1050, 0x03_8000, &[(4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("virtio-keyboard-pci", [], "", 0x1af4:0x1052, 0x09_0000, &[(4, Wide, 0x4000)], &[MSI_X, VENDOR_SPECIFIC]),
    model!("nvme", [], ",serial=kiln", 0x1b36:0x0010, 0x01_0802, &[(0, Wide, 0x4000)], &[MSI_X, POWER]),
    model!("ich9-ahci", [], "", 0x8086:0x2922, 0x01_0601, &[(4, Ports, 0x20), (5, Memory, 0x1000)], &[MSI]),
    model!("sdhci-pci", [], "", 0x1b36:0x0007, 0x08_0501, &[(0, Memory, 0x100)], &[]),
    model!("megasas", [], "", 0x1000:0x0060, 0x01_0400, &[(0, Wide, 0x4000), (2, Ports, 0x100), (3, Wide, 0x4_0000)], &[MSI, MSI_X]),
    model!("lsi53c895a", [], "", 0x1000:0x0012, 0x01_0000, &[(0, Ports, 0x100), (1, Memory, 0x400), (2, Memory, 0x2000)], &[]),
    model!("am53c974", [], "", 0x1022:0x2020, 0x01_0000, &[(0, Ports, 0x80)], &[]),
    model!("piix3-usb-uhci", [], "", 0x8086:0x7020, 0x0c_0300, &[(4, Ports, 0x20)], &[]),
    model!("usb-ehci", [], "", 0x8086:0x24cd, 0x0c_0320, &[(0, Memory, 0x1000)], &[]),
    model!("nec-usb-xhci", [], "", 0x1033:0x0194, 0x0c_0330, &[(0, Wide, 0x4000)], &[MSI, MSI_X]),
    model!("qemu-xhci", [], "", 0x1b36:0x000d, 0x0c_0330, &[(0, Wide, 0x4000)], &[MSI_X]),
    model!("pci-ohci", [], "", 0x106b:0x003f, 0x0c_0310, &[(0, Memory, 0x100)], &[]),
    model!("intel-hda", [], "", 0x8086:0x2668, 0x04_0300, &[(0, Memory, 0x4000)], &[MSI]),
    model!("pvpanic-pci", [], "", 0x1b36:0x0011, 0x08_8000, &[(0, Memory, 0x10)], &[]),
    model!("i6300esb", [], "", 0x8086:0x25ab, 0x08_8000, &[(0, Memory, 0x10)], &[]),
    model!("pci-serial", [], "", 0x1b36:0x0002, 0x07_0002, &[(0, Ports, 8)], &[]),
    model!("ivshmem-plain", ["-object", "memory-backend-ram,id=m,size=1M,share=on"], ",memdev=m", 0x1af4:0x1110, 0x05_0000,
           &[(0, Memory, 0x100), (2, Wide, 0x10_0000)], &[]),
    model!("bochs-display", [], "", 0x1234:0x1111, 0x03_8000, &[(0, Memory, 0x100_0000), (2, Memory, 0x1000)], &[]),
    model!("rocker", [], "", 0x1b36:0x0006, 0x02_8000, &[(0, Memory, 0x2000), (1, Memory, 0x2000)], &[MSI_X]),
];

fn identifies(bench: &mut Bench<'_>, spec: &Spec) -> Result<(), Failure> {
    let function = bench.function(spec.vendor, spec.device)?;
    let class = bench.config(function, Width::L, register::CLASS)?;
    bench.check("class", class >> 8, spec.class)?;
    for &(index, kind, size) in spec.registers {
        let at = register::BAR + 4 * u16::from(index);
        let (session, pci) = bench.pci()?;
        let (is_port, is_wide, found) = pci.size(session, function, at)?;
        let found_kind = match (is_port, is_wide) {
            (true, _) => Ports,
            (false, false) => Memory,
            (false, true) => Wide,
        };
        bench.check(format!("kind of BAR {index}"), found_kind, kind)?;
        bench.check(format!("size of BAR {index}"), found, size)?;
    }
    let (session, pci) = bench.pci()?;
    let found: Vec<u8> = pci
        .capabilities(session, function)?
        .iter()
        .map(|it| it.id)
        .collect();
    for capability in spec.capabilities {
        let is_there = found.contains(capability);
        bench.check(
            format!("capability {capability:#04x} exists"),
            is_there,
            true,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        const RIGHT: Spec = Spec {
            vendor: 0x8086,
            device: 0x2922,
            class: 0x01_0601,
            registers: &[(4, Ports, 0x20), (5, Memory, 0x1000)],
            capabilities: &[MSI],
        };
        let check = |what: &str, spec: Spec| {
            check_fails(TESTS, "ich9-ahci", what, |bench| identifies(bench, &spec));
        };
        check(
            "class",
            Spec {
                class: 0x01_0600,
                ..RIGHT
            },
        );
        check(
            "kind of BAR 4",
            Spec {
                registers: &[(4, Memory, 0x20)],
                ..RIGHT
            },
        );
        check(
            "size of BAR 5",
            Spec {
                registers: &[(5, Memory, 0x2000)],
                ..RIGHT
            },
        );
        check(
            "capability 0x11",
            Spec {
                capabilities: &[MSI_X],
                ..RIGHT
            },
        );
    }
}
