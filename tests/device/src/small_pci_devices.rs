//! Small PCI devices: pvpanic, i6300ESB watchdog, ivshmem, Intel HD Audio, RTL8139, PCNET.
//!
//! Sources: docs/specs/pvpanic.rst, Intel 300641, docs/specs/ivshmem-spec.rst, High Definition Audio Specification 1.0a,
//! data sheets of Realtek RTL8139D and AMD 79C970A.

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test::of("small-pci-devices", &["pci"]);

const RTL8139: Test = Test {
    models: &["rtl8139"],
    arguments: &["-device", "rtl8139,addr=4,mac=52:54:00:0c:0d:0e"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "pvpanic-reports-supported-events",
        description: "The register has panic and crash-loaded",
        models: &["pvpanic-pci"],
        arguments: &["-device", "pvpanic-pci,addr=4"],
        body: |bench| pvpanic(bench, 0b11),
        ..BASE
    },
    Test {
        name: "i6300esb-keeps-lock-bit",
        description: "The lock register keeps enable, and its lock once set",
        models: &["i6300esb"],
        arguments: &["-device", "i6300esb,addr=4"],
        body: |bench| watchdog(bench, 0b01),
        ..BASE
    },
    Test {
        name: "i6300esb-sets-flag-when-it-expires",
        description: "The second timeout sets the flag for the next boot, not the first one",
        clock: true,
        models: &["i6300esb"],
        arguments: &["-device", "i6300esb,addr=4", "-action", "watchdog=none"],
        body: |bench| expires(bench, 1),
        ..BASE
    },
    Test {
        name: "ivshmem-is-memory",
        description: "The second region is the shared memory",
        models: &["ivshmem-plain"],
        arguments: &[
            "-object",
            "memory-backend-ram,id=m,size=1M,share=on",
            "-device",
            "ivshmem-plain,addr=4,memdev=m",
        ],
        body: |bench| shared_memory(bench, 0x1234_5678),
        ..BASE
    },
    Test {
        name: "hda-leaves-reset",
        description: "The controller is in reset until bit 0 of the control register is set, and has version 1.0",
        // The registers have the byte order of the target in QEMU 10.0, although PCI is little-endian.
        needs: &["pci", "little-endian"],
        models: &["intel-hda"],
        arguments: &["-device", "intel-hda,addr=4"],
        body: |bench| audio(bench, 1),
        ..BASE
    },
    Test {
        name: "rtl8139-has-its-address",
        description: "The first registers are the Ethernet address",
        body: |bench| rtl8139_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..RTL8139
    },
    Test {
        name: "rtl8139-ends-reset",
        description: "The reset bit clears itself, and the receive buffer is empty",
        body: |bench| rtl8139_reset(bench, 0x01),
        ..RTL8139
    },
    Test {
        name: "pcnet-has-its-address",
        description: "The first bytes of the PROM are the Ethernet address",
        models: &["pcnet"],
        arguments: &["-device", "pcnet,addr=4,mac=52:54:00:0c:0d:0e"],
        body: |bench| pcnet_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "pcnet-identifies-its-chip",
        description: "Registers 88 and 89 have the part number of an Am79C970A",
        models: &["pcnet"],
        arguments: &["-device", "pcnet,addr=4"],
        body: |bench| pcnet_chip(bench, 0x0262_1003),
        ..BASE
    },
];

fn pvpanic(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1b36, 0x0011, 0)?;
    let events = bench.read(bar, Width::B, 0)?;
    bench.check("events", events & 0b11, expected)
}

fn watchdog(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LOCK: u16 = 0x68;
    let function = bench.function(0x8086, 0x25ab)?;
    let before = bench.config(function, Width::B, LOCK)?;
    bench.check("lock register before", before & 0b11, 0)?;
    bench.set_config(function, Width::B, LOCK, 0b01)?;
    let found = bench.config(function, Width::B, LOCK)?;
    bench.check("locked", found & 0b01, expected)
}

fn expires(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    const RELOAD: u64 = 0x0c;
    const TIMED_OUT: u64 = 1 << 9;
    /// A tick is 2^15 cycles of 30 ns. 1024 of them are 1.007 s.
    const TICKS: u64 = 1024;
    let function = bench.function(0x8086, 0x25ab)?;
    let bar = bench.map(function, 0)?;
    let unlock = |bench: &mut Bench<'_>| {
        bench.write(bar, Width::W, RELOAD, 0x80)?;
        bench.write(bar, Width::W, RELOAD, 0x86)
    };
    let flag = |bench: &mut Bench<'_>| {
        let found = bench.read(bar, Width::W, RELOAD)? & TIMED_OUT;
        Ok::<_, Failure>(found / TIMED_OUT)
    };
    for preload in [0, 4] {
        unlock(bench)?;
        bench.write(bar, Width::L, preload, TICKS)?;
    }
    bench.set_config(function, Width::B, 0x68, 0b10)?;
    bench.session.clock_step(Some(2_000_000_000))?;
    let before = flag(bench)?;
    bench.check("flag after 2 s", before, 0)?;
    bench.session.clock_step(Some(20_000_000))?;
    let found = flag(bench)?;
    bench.check("flag after 2.02 s", found, expected)?;
    unlock(bench)?;
    bench.write(bar, Width::W, RELOAD, TIMED_OUT)?;
    let after = flag(bench)?;
    bench.check("flag that was cleared", after, 0)
}

fn shared_memory(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1af4, 0x1110, 2)?;
    bench.write(bar, Width::L, 0x8_0000, 0x1234_5678)?;
    let found = bench.read(bar, Width::L, 0x8_0000)?;
    bench.check("word of the shared memory", found, expected)?;
    let other = bench.read(bar, Width::L, 0x8_0004)?;
    bench.check("word behind it", other, 0)
}

fn audio(bench: &mut Bench<'_>, major: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x2668, 0)?;
    let minor = bench.read(bar, Width::B, 2)?;
    bench.check("minor version", minor, 0)?;
    let found = bench.read(bar, Width::B, 3)?;
    bench.check("major version", found, major)?;
    let before = bench.read(bar, Width::L, 8)?;
    bench.check("out of reset before", before & 1, 0)?;
    bench.write(bar, Width::L, 8, 1)?;
    let after = bench.read(bar, Width::L, 8)?;
    bench.check("out of reset", after & 1, 1)
}

fn rtl8139_address(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let bar = bench.region(0x10ec, 0x8139, 0)?;
    for (at, expected) in (0u64..).zip(expected) {
        let found = bench.read(bar, Width::B, at)?;
        bench.check(format!("byte {at} of the address"), found, expected)?;
    }
    Ok(())
}

fn rtl8139_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    const COMMAND: u64 = 0x37;
    let bar = bench.region(0x10ec, 0x8139, 0)?;
    bench.write(bar, Width::B, COMMAND, 0x10)?;
    let found = bench.read(bar, Width::B, COMMAND)?;
    bench.check("command after the reset", found & 0x11, expected)
}

fn pcnet_address(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let bar = bench.region(0x1022, 0x2000, 0)?;
    for (at, expected) in (0u64..).zip(expected) {
        let found = bench.read(bar, Width::B, at)?;
        bench.check(format!("byte {at} of the PROM"), found, expected)?;
    }
    Ok(())
}

fn pcnet_chip(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    const DATA: u64 = 0x10;
    const ADDRESS: u64 = 0x12;
    let bar = bench.region(0x1022, 0x2000, 0)?;
    let mut chip = 0;
    for (register, shift) in [(88, 0), (89, 16)] {
        bench.write(bar, Width::W, ADDRESS, register)?;
        chip |= bench.read(bar, Width::W, DATA)? << shift;
    }
    // The version is in the upper four bits.
    bench.check("part number", chip & 0x0fff_ffff, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(
            TESTS,
            "pvpanic-reports-supported-events",
            "events",
            |bench| pvpanic(bench, 0),
        );
        check_fails(TESTS, "i6300esb-keeps-lock-bit", "locked", |bench| {
            watchdog(bench, 0)
        });
        check_fails(
            TESTS,
            "i6300esb-sets-flag-when-it-expires",
            "flag after 2.02 s",
            |bench| expires(bench, 0),
        );
        check_fails(TESTS, "ivshmem-is-memory", "word of", |bench| {
            shared_memory(bench, 0)
        });
        check_fails(TESTS, "hda-leaves-reset", "major", |bench| audio(bench, 2));
        check_fails(TESTS, "rtl8139-has-its-address", "byte 5", |bench| {
            rtl8139_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "rtl8139-ends-reset", "command", |bench| {
            rtl8139_reset(bench, 0x10)
        });
        check_fails(TESTS, "pcnet-has-its-address", "byte 5", |bench| {
            pcnet_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "pcnet-identifies-its-chip", "part", |bench| {
            pcnet_chip(bench, 0)
        });
    }
}
