//! QEMU's device for tests of PCI accesses (docs/specs/pci-testdev.rst).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

const VENDOR: u16 = 0x1b36;
const DEVICE: u16 = 0x0005;

/// The header of each register: the selected test, then the location and value to write.
const TEST: u64 = 0x00;
const WIDTH: u64 = 0x01;
const OFFSET: u64 = 0x04;
const DATA: u64 = 0x08;
const COUNT: u64 = 0x0c;
const NAME: u64 = 0x10;

/// The name of the first test of each base address register.
struct Spec {
    bar: u8,
    name: &'static str,
    writes: u64,
}

const MEMORY: Spec = Spec {
    bar: 0,
    name: "mmio-no-eventfd",
    writes: 5,
};
const PORTS: Spec = Spec {
    bar: 1,
    name: "portio-no-eventfd",
    writes: 5,
};

const BASE: Test = Test {
    models: &["pci-testdev"],
    arguments: &["-device", "pci-testdev,addr=4"],
    ..Test::of("pci-testdev", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "counts-memory-writes",
        description: "Each write that matches the test in memory is counted once",
        body: |bench| counts(bench, &MEMORY),
        ..BASE
    },
    Test {
        name: "counts-port-writes",
        description: "Each write that matches the test in ports is counted once",
        body: |bench| counts(bench, &PORTS),
        ..BASE
    },
];

fn name(bench: &mut Bench<'_>, bar: Bar) -> Result<String, Failure> {
    let mut name = String::new();
    for at in NAME.. {
        let byte = (bench.read(bar, Width::B, at)? & 0xff) as u8;
        if byte == 0 || name.len() > 64 {
            break;
        }
        name.push(char::from(byte));
    }
    Ok(name)
}

fn counts(bench: &mut Bench<'_>, spec: &Spec) -> Result<(), Failure> {
    let function = bench.function(VENDOR, DEVICE)?;
    let bar = bench.map(function, spec.bar)?;
    bench.write(bar, Width::B, TEST, 0)?;
    let found = name(bench, bar)?;
    bench.check("name of the test", found.as_str(), spec.name)?;
    let width = match bench.read(bar, Width::B, WIDTH)? {
        1 => Width::B,
        2 => Width::W,
        _ => Width::L,
    };
    let offset = bench.read(bar, Width::L, OFFSET)?;
    let data = bench.read(bar, Width::L, DATA)?;
    for _ in 0..5 {
        bench.write(bar, width, offset, data)?;
    }
    bench.write(bar, width, offset, data ^ 1)?;
    let count = bench.read(bar, Width::L, COUNT)?;
    bench.check("counted writes", count, spec.writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let six = Spec {
            writes: 6,
            ..MEMORY
        };
        check_fails(TESTS, "counts-memory-writes", "counted writes", |bench| {
            counts(bench, &six)
        });
        let other = Spec {
            name: "portio",
            ..PORTS
        };
        check_fails(TESTS, "counts-port-writes", "name of the test", |bench| {
            counts(bench, &other)
        });
    }
}
