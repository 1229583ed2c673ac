//! QEMU's firmware configuration device (`docs/specs/fw_cfg.rst`), with port I/O and MMIO.

use qtest::{Bench, Failure, Test, Width};

const SIGNATURE: u16 = 0x00;
const ID: u16 = 0x01;
const FILE_DIRECTORY: u16 = 0x19;

const SELECTOR_PORT: u16 = 0x510;
const DATA_PORT: u16 = 0x511;
const DMA_PORT: u16 = 0x514;
const SELECTOR: u64 = 0x08;
const DMA: u64 = 0x10;

/// DMA control: select the key in the upper half, and read.
const DMA_READ: u32 = 0x02;
const DMA_SELECT: u32 = 0x08;
const DMA_WRITE: u32 = 0x10;
pub(crate) const DMA_ERROR: u32 = 0x01;

const FILE: &str = "opt/org.kiln/test";
const CONTENT: &[u8] = b"fired at 1200 degrees";

/// The location of the device.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Ports,
    Memory,
}

const ARGUMENTS: &[&str] = &[
    "-fw_cfg",
    "name=opt/org.kiln/test,string=fired at 1200 degrees",
];

const AT_PORTS: Test = Test {
    arguments: ARGUMENTS,
    ..Test::of("fw-cfg", &["fw-cfg-ports"])
};

const IN_MEMORY: Test = Test {
    needs: &["fw-cfg-memory"],
    ..AT_PORTS
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-signature-at-ports",
        description: "The signature is QEMU, and the device has DMA",
        body: |bench| has_signature(bench, Place::Ports, b"QEMU"),
        ..AT_PORTS
    },
    Test {
        name: "has-signature-in-memory",
        description: "The signature is QEMU, and the device has DMA",
        body: |bench| has_signature(bench, Place::Memory, b"QEMU"),
        ..IN_MEMORY
    },
    Test {
        name: "lists-file-at-ports",
        description: "A file of the command line is in the directory, with its content",
        body: |bench| lists_file(bench, Place::Ports, CONTENT),
        ..AT_PORTS
    },
    Test {
        name: "lists-file-in-memory",
        description: "A file of the command line is in the directory, with its content",
        body: |bench| lists_file(bench, Place::Memory, CONTENT),
        ..IN_MEMORY
    },
    Test {
        name: "copies-file-by-dma-at-ports",
        description: "A DMA request copies a file to RAM and reports no error",
        body: |bench| copies_file(bench, Place::Ports, CONTENT),
        ..AT_PORTS
    },
    Test {
        name: "copies-file-by-dma-in-memory",
        description: "A DMA request copies a file to RAM and reports no error",
        body: |bench| copies_file(bench, Place::Memory, CONTENT),
        ..IN_MEMORY
    },
    Test {
        name: "reads-zeros-of-unknown-key",
        description: "A DMA request with a key that has no item reads zeros",
        body: |bench| reads_zeros(bench, Place::Ports, 0),
        ..AT_PORTS
    },
];

/// Selects an item and reads its first bytes.
pub(crate) fn item(
    bench: &mut Bench<'_>,
    place: Place,
    key: u16,
    length: usize,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(length);
    match place {
        Place::Ports => {
            bench
                .session
                .port_out(Width::W, SELECTOR_PORT, key.into())?;
            for _ in 0..length {
                bytes.push(bench.session.inb(DATA_PORT)?);
            }
        }
        Place::Memory => {
            let base = bench.at("fw-cfg")?;
            // The selector is big-endian with MMIO.
            bench
                .session
                .write_le(Width::W, base + SELECTOR, key.swap_bytes().into())?;
            for _ in 0..length {
                bytes.push(bench.session.readb(base)?);
            }
        }
    }
    Ok(bytes)
}

/// The key and the size of a file in the directory.
pub(crate) fn file(bench: &mut Bench<'_>, place: Place, name: &str) -> Result<(u16, u32), Failure> {
    const ENTRY: usize = 64;
    let count = item(bench, place, FILE_DIRECTORY, 4)?;
    let count = u32::from_be_bytes([count[0], count[1], count[2], count[3]]) as usize;
    bench.check("directory is small", count < 100, true)?;
    let directory = item(bench, place, FILE_DIRECTORY, 4 + count * ENTRY)?;
    let mut entries = directory[4..].chunks_exact(ENTRY);
    let entry =
        entries.find(|entry| entry[8..].split(|byte| *byte == 0).next() == Some(name.as_bytes()));
    let entry = entry.ok_or_else(|| Failure::Missing(format!("the file {name}")))?;
    let size = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
    Ok((u16::from_be_bytes([entry[4], entry[5]]), size))
}

fn has_signature(bench: &mut Bench<'_>, place: Place, expected: &[u8]) -> Result<(), Failure> {
    let signature = item(bench, place, SIGNATURE, 4)?;
    bench.check("signature", signature.as_slice(), expected)?;
    let id = item(bench, place, ID, 4)?;
    bench.check("features: traditional interface and DMA", id[0], 0b11)
}

fn lists_file(bench: &mut Bench<'_>, place: Place, expected: &[u8]) -> Result<(), Failure> {
    let (key, size) = file(bench, place, FILE)?;
    bench.check("size", size as usize, CONTENT.len())?;
    let content = item(bench, place, key, size as usize)?;
    bench.check("content", content.as_slice(), expected)
}

/// Performs a DMA request. Returns its control word and the memory that it filled.
fn request(
    bench: &mut Bench<'_>,
    place: Place,
    control: u32,
    length: u32,
) -> Result<(u32, Vec<u8>), Failure> {
    let target = bench.allocate(length.into(), 8)?;
    bench.session.memset(target, length as usize, 0xee)?;
    let after = transfer(bench, place, control, target, length)?;
    let bytes = bench.session.read(target, length as usize)?;
    bench.release(target)?;
    Ok((after, bytes))
}

/// Writes the content of an item with DMA. Returns the control word after the request.
pub(crate) fn write_item(
    bench: &mut Bench<'_>,
    place: Place,
    key: u16,
    bytes: &[u8],
) -> Result<u32, Failure> {
    let source = bench.allocate(bytes.len() as u64, 8)?;
    bench.session.write(source, bytes)?;
    let control = u32::from(key) << 16 | DMA_SELECT | DMA_WRITE;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let after = transfer(bench, place, control, source, length)?;
    bench.release(source)?;
    Ok(after)
}

/// Performs a DMA request with memory at an address. Returns its control word.
fn transfer(
    bench: &mut Bench<'_>,
    place: Place,
    control: u32,
    target: u64,
    length: u32,
) -> Result<u32, Failure> {
    let access = bench.allocate(16, 8)?;
    let mut words = control.to_be_bytes().to_vec();
    words.extend(length.to_be_bytes());
    words.extend(target.to_be_bytes());
    bench.session.write(access, &words)?;
    let (high, low) = ((access >> 32) as u32, (access & 0xffff_ffff) as u32);
    match place {
        Place::Ports => {
            bench.session.outl(DMA_PORT, high.swap_bytes())?;
            bench.session.outl(DMA_PORT + 4, low.swap_bytes())?;
        }
        Place::Memory => {
            let base = bench.at("fw-cfg")?;
            bench
                .session
                .write_le(Width::L, base + DMA, high.swap_bytes().into())?;
            bench
                .session
                .write_le(Width::L, base + DMA + 4, low.swap_bytes().into())?;
        }
    }
    let after = bench.session.read(access, 4)?;
    bench.release(access)?;
    Ok(u32::from_be_bytes([after[0], after[1], after[2], after[3]]))
}

fn copies_file(bench: &mut Bench<'_>, place: Place, expected: &[u8]) -> Result<(), Failure> {
    let (key, size) = file(bench, place, FILE)?;
    let control = u32::from(key) << 16 | DMA_SELECT | DMA_READ;
    let (after, content) = request(bench, place, control, size)?;
    bench.check("control after the request", after, 0)?;
    bench.check("content", content.as_slice(), expected)
}

fn reads_zeros(bench: &mut Bench<'_>, place: Place, expected: u8) -> Result<(), Failure> {
    let control = 0x3fff << 16 | DMA_SELECT | DMA_READ;
    let (after, content) = request(bench, place, control, 4)?;
    bench.check("error bit", after & DMA_ERROR, 0)?;
    bench.check("bytes", content.as_slice(), [expected; 4].as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-signature-at-ports", "signature", |bench| {
            has_signature(bench, Place::Ports, b"QEMV")
        });
        check_fails(TESTS, "lists-file-in-memory", "content", |bench| {
            lists_file(bench, Place::Memory, b"cold")
        });
        check_fails(TESTS, "copies-file-by-dma-at-ports", "content", |bench| {
            copies_file(bench, Place::Ports, b"cold")
        });
        check_fails(TESTS, "reads-zeros-of-unknown-key", "bytes", |bench| {
            reads_zeros(bench, Place::Ports, 1)
        });
    }
}
