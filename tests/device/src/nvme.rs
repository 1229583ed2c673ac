//! The NVM Express controller (NVM Express Base Specification 1.4, sections 3 and 5.15), without a namespace.

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

const VENDOR: u16 = 0x1b36;
const DEVICE: u16 = 0x0010;

const CAPABILITIES: u64 = 0x00;
const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_ATTRIBUTES: u64 = 0x24;
const ADMIN_SUBMISSION: u64 = 0x28;
const ADMIN_COMPLETION: u64 = 0x30;
const SUBMISSION_DOORBELL: u64 = 0x1000;

/// Configuration: enabled, entries of 64 and 16 bytes.
const ENABLE: u64 = 1 | 6 << 16 | 4 << 20;
const READY: u64 = 1;
const IDENTIFY: u32 = 0x06;
/// Status codes: invalid opcode, and success.
const INVALID_OPCODE: u16 = 0x01;
const SUCCESS: u16 = 0x00;

const BASE: Test = Test {
    models: &["nvme"],
    arguments: &["-device", "nvme,addr=4,serial=kiln-1200"],
    ..Test::of("nvme", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "supports-nvm-commands",
        description: "The capabilities have the NVM command set and contiguous queues",
        body: |bench| supports(bench, 1),
        ..BASE
    },
    Test {
        name: "becomes-ready",
        description: "An enabled controller is ready, and one that is disabled is not",
        needs: &["pci", "dma"],
        body: |bench| becomes_ready(bench, READY),
        ..BASE
    },
    Test {
        name: "identifies-controller",
        description: "Identify returns PCI vendor and serial number",
        needs: &["pci", "dma"],
        body: |bench| identifies(bench, b"kiln-1200           "),
        ..BASE
    },
    Test {
        name: "refuses-unknown-command",
        description: "An unknown admin command completes with Invalid Command Opcode",
        needs: &["pci", "dma"],
        body: |bench| refuses(bench, INVALID_OPCODE),
        ..BASE
    },
];

fn find(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(VENDOR, DEVICE, 0)
}

fn supports(bench: &mut Bench<'_>, nvm: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let high = bench.read(bar, Width::L, CAPABILITIES + 4)?;
    bench.check("NVM command set", high >> 5 & 1, nvm)?;
    let low = bench.read(bar, Width::L, CAPABILITIES)?;
    bench.check("contiguous queues required", low >> 16 & 1, 1)
}

/// Sets up the admin queues and enables the controller. Returns both queues.
fn enable(bench: &mut Bench<'_>, bar: Bar) -> Result<(u64, u64), Failure> {
    let submission = bench.allocate(0x1000, 0x1000)?;
    let completion = bench.allocate(0x1000, 0x1000)?;
    bench.session.memset(completion, 0x1000, 0)?;
    bench.write(bar, Width::L, ADMIN_ATTRIBUTES, 0x000f_000f)?;
    for (register, address) in [
        (ADMIN_SUBMISSION, submission),
        (ADMIN_COMPLETION, completion),
    ] {
        bench.write(bar, Width::L, register, address & 0xffff_ffff)?;
        bench.write(bar, Width::L, register + 4, address >> 32)?;
    }
    bench.write(bar, Width::L, CONFIGURATION, ENABLE)?;
    Ok((submission, completion))
}

fn becomes_ready(bench: &mut Bench<'_>, ready: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let before = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready before", before & READY, 0)?;
    enable(bench, bar)?;
    let enabled = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready when enabled", enabled & READY, ready)?;
    bench.write(bar, Width::L, CONFIGURATION, 0)?;
    let disabled = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready when disabled", disabled & READY, 0)
}

/// Sends an admin command. Returns its status and the page for its data.
fn command(bench: &mut Bench<'_>, opcode: u32, argument: u32) -> Result<(u16, Vec<u8>), Failure> {
    let bar = find(bench)?;
    let (submission, completion) = enable(bench, bar)?;
    let page = bench.allocate(0x1000, 0x1000)?;
    bench.session.memset(page, 0x1000, 0xee)?;
    let mut entry = vec![0; 64];
    // The command identifier is 7.
    entry[..4].copy_from_slice(&(opcode | 7 << 16).to_le_bytes());
    entry[24..32].copy_from_slice(&page.to_le_bytes());
    entry[40..44].copy_from_slice(&argument.to_le_bytes());
    bench.session.write(submission, &entry)?;
    bench.write(bar, Width::L, SUBMISSION_DOORBELL, 1)?;
    bench.wait_until("the command completes", |bench| {
        // The phase tag of the first pass is 1.
        Ok(bench.session.read_le(Width::W, completion + 14)? & 1 == 1)
    })?;
    let words = bench.session.read(completion + 12, 4)?;
    bench.check("identifier", u16::from_le_bytes([words[0], words[1]]), 7)?;
    let status = u16::from_le_bytes([words[2], words[3]]) >> 1;
    Ok((status & 0xff, bench.session.read(page, 0x1000)?))
}

fn identifies(bench: &mut Bench<'_>, serial: &[u8; 20]) -> Result<(), Failure> {
    let (status, page) = command(bench, IDENTIFY, 1)?;
    bench.check("status", status, SUCCESS)?;
    bench.check("vendor", u16::from_le_bytes([page[0], page[1]]), VENDOR)?;
    bench.check("serial number", &page[4..24], &serial[..])
}

fn refuses(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let (status, page) = command(bench, 0x7f, 0)?;
    bench.check("status", status, expected)?;
    bench.check(
        "page is not written",
        page.iter().all(|it| *it == 0xee),
        true,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "supports-nvm-commands", "NVM command set", |bench| {
            supports(bench, 0)
        });
        check_fails(TESTS, "becomes-ready", "ready when enabled", |bench| {
            becomes_ready(bench, 0)
        });
        check_fails(TESTS, "identifies-controller", "serial number", |bench| {
            identifies(bench, b"kiln-1201           ")
        });
        check_fails(TESTS, "refuses-unknown-command", "status", |bench| {
            refuses(bench, SUCCESS)
        });
    }
}
