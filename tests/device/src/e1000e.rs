//! Intel's 82574L gigabit controller (its family datasheet): interrupts by messages.

use qtest::message::MsiX;
use qtest::{Bench, Failure, Test, Width};

const VENDOR: u16 = 0x8086;
const DEVICE: u16 = 0x10d3;

const CAUSE_SET: u64 = 0x00c8;
const MASK_SET: u64 = 0x00d0;
const MASK_CLEAR: u64 = 0x00d8;
const VECTORS: u64 = 0x00e4;

/// The causes that have a message, from bit 20: two receive queues, two transmit queues, others.
const CAUSES: std::ops::RangeInclusive<u64> = 20..=24;
/// The message of each cause: the last one for the first cause. Bit 3 of each entry makes it valid.
const REVERSED: u64 = 0x8 << 16 | 0x9 << 12 | 0xa << 8 | 0xb << 4 | 0xc;

const BASE: Test = Test {
    models: &["e1000e"],
    arguments: &["-device", "e1000e,addr=4"],
    ..Test::of("e1000e", &["pci", "dma"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "sends-message-of-each-cause",
        description: "Each interrupt cause sends the message that the allocation register selects",
        body: |bench| sends_messages(bench, [4, 3, 2, 1, 0]),
        ..BASE
    },
    Test {
        name: "sends-no-message-of-masked-cause",
        description: "A cause that is not enabled sends its message when it is enabled",
        body: |bench| masks(bench, 0),
        ..BASE
    },
];

/// Sets up messages with the data 1, 2, …. Returns the registers, and the addresses of the messages.
fn start(bench: &mut Bench<'_>) -> Result<(qtest::pci::Bar, Vec<u64>), Failure> {
    let function = bench.function(VENDOR, DEVICE)?;
    let bar = bench.map(function, 0)?;
    let table = MsiX::enable(bench, function)?;
    bench.check("messages", table.entries, 5)?;
    let mut addresses = Vec::new();
    for vector in 0..5 {
        let address = bench.allocate(4, 4)?;
        bench.session.memset(address, 4, 0)?;
        table.set(bench, vector, address, u32::from(vector) + 1)?;
        addresses.push(address);
    }
    bench.write(bar, Width::L, VECTORS, REVERSED)?;
    Ok((bar, addresses))
}

/// The data at each address.
fn found(bench: &mut Bench<'_>, addresses: &[u64]) -> Result<Vec<u64>, Failure> {
    let data = addresses.iter();
    let data = data.map(|address| bench.session.read_le(Width::L, *address));
    Ok(data.collect::<Result<_, _>>()?)
}

fn sends_messages(bench: &mut Bench<'_>, vectors: [usize; 5]) -> Result<(), Failure> {
    let (bar, addresses) = start(bench)?;
    bench.write(bar, Width::L, MASK_CLEAR, 0xffff_ffff)?;
    let mut expected = vec![0; 5];
    for (cause, vector) in CAUSES.zip(vectors) {
        bench.write(bar, Width::L, MASK_SET, 1 << cause)?;
        bench.write(bar, Width::L, CAUSE_SET, 1 << cause)?;
        expected[vector] = vector as u64 + 1;
        let found = found(bench, &addresses)?;
        bench.check(format!("messages after cause {cause}"), &found, &expected)?;
        bench.write(bar, Width::L, MASK_CLEAR, 1 << cause)?;
    }
    Ok(())
}

fn masks(bench: &mut Bench<'_>, before: u64) -> Result<(), Failure> {
    const CAUSE: u64 = 22;
    let (bar, addresses) = start(bench)?;
    bench.write(bar, Width::L, MASK_CLEAR, 0xffff_ffff)?;
    bench.write(bar, Width::L, CAUSE_SET, 1 << CAUSE)?;
    let message = found(bench, &addresses)?[2];
    bench.check("message while it is masked", message, before)?;
    bench.write(bar, Width::L, MASK_SET, 1 << CAUSE)?;
    let message = found(bench, &addresses)?[2];
    bench.check("message when it is enabled", message, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "sends-message-of-each-cause", "cause 20", |bench| {
            sends_messages(bench, [0, 1, 2, 3, 4])
        });
        check_fails(
            TESTS,
            "sends-no-message-of-masked-cause",
            "masked",
            |bench| masks(bench, 3),
        );
    }
}
