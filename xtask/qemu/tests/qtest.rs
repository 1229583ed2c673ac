//! Device tests over qtest, and at the same time the tests of its client: against every QEMU that
//! is installed.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness::skip;
use host::scratch::Scratch;
use qemu::Facts;
use qemu::qtest::{Qtest, QtestError};

const WAIT: Duration = Duration::from_secs(30);

struct Installed {
    binary: Utf8PathBuf,
    facts: Facts,
    scratch: Scratch,
}

impl Installed {
    /// `None`, with the reason printed, where the binary or a device is missing.
    fn find(binary: &str, device: Option<&str>) -> Option<Self> {
        let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "qtest").unwrap();
        let Some(found) = host::tools::find(binary) else {
            skip(&format!("`{binary}` is not installed"));
            return None;
        };
        let facts = qemu::probe::ask(&found, &[], scratch.path(), WAIT).unwrap();
        if let Some(device) = device.filter(|device| !facts.has_device(device)) {
            skip(&format!("`{binary}` has no `{device}`"));
            return None;
        }
        Some(Self {
            binary: found,
            facts,
            scratch,
        })
    }

    fn start(&self, arguments: &[&str]) -> Qtest {
        Qtest::start(
            &self.binary,
            &self.facts,
            self.scratch.path(),
            arguments,
            WAIT,
        )
        .unwrap()
    }
}

/// QEMU's docs/specs/pvpanic.rst: reading the port gives the events that the device knows.
#[test]
fn pvpanic_reports_supported_events() {
    let Some(installed) = Installed::find("qemu-system-x86_64", Some("pvpanic")) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "q35", "-device", "pvpanic"]);
    let events = qtest.inb(0x505).unwrap();
    assert_eq!(events & 0b11, 0b11, "panicked and crash-loaded");
    assert_eq!(qtest.inb(0x506).unwrap(), 0xff, "nothing answers beside it");
}

/// QEMU's docs/specs/pvpanic.rst: writing 1 tells the host that the guest panicked.
#[test]
fn pvpanic_notifies_the_host() {
    let Some(installed) = Installed::find("qemu-system-x86_64", Some("pvpanic")) else {
        return;
    };
    let line = [
        "-machine",
        "q35",
        "-device",
        "pvpanic",
        "-action",
        "panic=none",
    ];
    let mut qtest = installed.start(&line);
    qtest.outb(0x505, 1).unwrap();
    // With `panic=none` QEMU continues; the answer to the next command proves it.
    qtest.inb(0x505).unwrap();
    let status = qtest
        .qmp()
        .execute("query-status", serde_json::Value::Null, WAIT)
        .unwrap();
    assert_ne!(status["status"], "guest-panicked");
}

/// The CMOS clock (MC146818): an index port and a data port.
#[test]
fn cmos_ram_keeps_written_bytes() {
    let Some(installed) = Installed::find("qemu-system-x86_64", None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "q35"]);
    for value in [0x5a, 0xa5] {
        qtest.outb(0x70, 0x40).unwrap();
        qtest.outb(0x71, value).unwrap();
        qtest.outb(0x70, 0x40).unwrap();
        assert_eq!(qtest.inb(0x71).unwrap(), value);
    }
}

/// PCI configuration space through its ports: the host bridge of q35 is Intel's 0x29c0.
#[test]
fn the_host_bridge_answers_in_configuration_space() {
    let Some(installed) = Installed::find("qemu-system-x86_64", None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "q35"]);
    qtest.outl(0xcf8, 0x8000_0000).unwrap();
    assert_eq!(qtest.inl(0xcfc).unwrap(), 0x29c0_8086);
    assert_eq!(qtest.inw(0xcfc).unwrap(), 0x8086);
}

/// An interrupt of the serial port arrives at the I/O APIC.
#[test]
fn interrupts_are_intercepted() {
    let Some(installed) = Installed::find("qemu-system-x86_64", None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "q35", "-serial", "null"]);
    qtest.irq_intercept_in("ioapic").unwrap();
    // 16550: out2 lets interrupts out, then "transmitter empty" is asked for, and is true at once.
    qtest.outb(0x3f8 + 4, 0x08).unwrap();
    qtest.outb(0x3f8 + 1, 0x02).unwrap();
    qtest.inb(0x3f8 + 5).unwrap();
    let irqs = qtest.take_irqs();
    assert!(
        irqs.iter().any(|irq| irq.line == 4 && irq.raised),
        "{irqs:?}"
    );
}

fn memory_keeps_what_is_written(binary: &str, machine: &str, ram: u64, big_endian: bool) {
    let Some(installed) = Installed::find(binary, None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", machine]);
    assert_eq!(qtest.big_endian().unwrap(), big_endian);
    qtest.writeq(ram, 0x0123_4567_89ab_cdef).unwrap();
    assert_eq!(qtest.readq(ram).unwrap(), 0x0123_4567_89ab_cdef);
    let mut bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    if !big_endian {
        bytes.reverse();
    }
    assert_eq!(qtest.read(ram, 8).unwrap(), bytes);
    qtest.write(ram, b"kiln").unwrap();
    assert_eq!(qtest.read(ram, 4).unwrap(), b"kiln");
    assert_eq!(qtest.readb(ram).unwrap(), b'k');
    assert_eq!(qtest.read(ram, 0).unwrap(), b"");
}

#[test]
fn memory_of_q35_is_little_endian() {
    memory_keeps_what_is_written("qemu-system-x86_64", "q35", 0x10_0000, false);
}

#[test]
fn memory_of_virt_is_little_endian() {
    memory_keeps_what_is_written("qemu-system-aarch64", "virt", 0x4000_0000, false);
}

#[test]
fn memory_of_pseries_is_big_endian() {
    memory_keeps_what_is_written("qemu-system-ppc64", "pseries", 0x10_0000, true);
}

#[test]
fn refused_command_carries_qemus_message() {
    let Some(installed) = Installed::find("qemu-system-aarch64", None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "virt"]);
    let error = qtest.command("nonsense").unwrap_err();
    assert!(matches!(&error, QtestError::Refused { said, .. } if said.contains("nonsense")));
    if !qtest.has_virtual_clock() {
        let error = qtest.clock_step(None).unwrap_err();
        assert!(
            error.hint().unwrap().contains("`qtest` accelerator"),
            "{error}"
        );
    }
}

#[test]
fn failed_start_is_explained_by_qemu_output() {
    let Some(installed) = Installed::find("qemu-system-aarch64", None) else {
        return;
    };
    let mut qtest = installed.start(&["-machine", "no-such-machine"]);
    let error = qtest.readl(0).unwrap_err().to_string();
    assert!(error.contains("QEMU ended with exit status 1"), "{error}");
    assert!(error.contains("unsupported machine type"), "{error}");
}
