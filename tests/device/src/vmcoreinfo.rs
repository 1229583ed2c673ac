//! The device through which a kernel tells QEMU where its crash-dump note is (docs/specs/vmcoreinfo.rst), a file of
//! `fw_cfg`.

use qtest::{Bench, Failure, Test};

use crate::fw_cfg::{DMA_ERROR, Place, file, item, write_item};

const FILE: &str = "etc/vmcoreinfo";
/// The formats that both sides support: none, and an ELF note.
const NONE: u16 = 0;
const ELF: u16 = 1;
/// The bytes of the file: both formats, the size and the address of the note.
const LENGTH: usize = 16;

const AT_PORTS: Test = Test {
    models: &["vmcoreinfo"],
    arguments: &["-device", "vmcoreinfo"],
    ..Test::of("vmcoreinfo", &["fw-cfg-ports"])
};

const IN_MEMORY: Test = Test {
    needs: &["fw-cfg-memory"],
    ..AT_PORTS
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "offers-format-at-ports",
        description: "The file has 16 bytes, with the format of the host and none of the guest",
        body: |bench| offers(bench, Place::Ports, [ELF, NONE]),
        ..AT_PORTS
    },
    Test {
        name: "offers-format-in-memory",
        description: "The file has 16 bytes, with the format of the host and none of the guest",
        body: |bench| offers(bench, Place::Memory, [ELF, NONE]),
        ..IN_MEMORY
    },
    Test {
        name: "keeps-note-at-ports",
        description: "The file keeps the format, size and address that the guest writes",
        body: |bench| keeps(bench, Place::Ports, 0x1234),
        ..AT_PORTS
    },
    Test {
        name: "keeps-note-in-memory",
        description: "The file keeps the format, size and address that the guest writes",
        body: |bench| keeps(bench, Place::Memory, 0x1234),
        ..IN_MEMORY
    },
    Test {
        name: "refuses-partial-write",
        description: "A write beyond the end of the file is an error and changes nothing",
        body: |bench| refuses(bench, DMA_ERROR),
        ..AT_PORTS
    },
];

/// The key of the file, and its formats.
fn formats(bench: &mut Bench<'_>, place: Place) -> Result<(u16, [u16; 2]), Failure> {
    let (key, size) = file(bench, place, FILE)?;
    bench.check("size", size as usize, LENGTH)?;
    let bytes = item(bench, place, key, LENGTH)?;
    let formats = [[bytes[0], bytes[1]], [bytes[2], bytes[3]]];
    Ok((key, formats.map(u16::from_le_bytes)))
}

fn offers(bench: &mut Bench<'_>, place: Place, expected: [u16; 2]) -> Result<(), Failure> {
    let (_, found) = formats(bench, place)?;
    bench.check("formats", found, expected)
}

/// The content of the file for an ELF note.
fn note(size: u32, address: u64) -> Vec<u8> {
    let mut bytes = ELF.to_le_bytes().repeat(2);
    bytes.extend(size.to_le_bytes());
    bytes.extend(address.to_le_bytes());
    bytes
}

fn keeps(bench: &mut Bench<'_>, place: Place, size: u32) -> Result<(), Failure> {
    let (key, _) = formats(bench, place)?;
    let after = write_item(bench, place, key, &note(0x1234, 0x0102_0304_0506_0708))?;
    bench.check("error bit", after & DMA_ERROR, 0)?;
    let found = item(bench, place, key, LENGTH)?;
    let expected = note(size, 0x0102_0304_0506_0708);
    bench.check("file", found.as_slice(), expected.as_slice())
}

fn refuses(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let (key, _) = formats(bench, Place::Ports)?;
    let mut long = note(1, 2);
    long.push(0);
    let after = write_item(bench, Place::Ports, key, &long)?;
    bench.check("error bit", after & DMA_ERROR, expected)?;
    offers(bench, Place::Ports, [ELF, NONE])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "offers-format-at-ports", "formats", |bench| {
            offers(bench, Place::Ports, [NONE, NONE])
        });
        check_fails(TESTS, "offers-format-in-memory", "formats", |bench| {
            offers(bench, Place::Memory, [ELF, ELF])
        });
        check_fails(TESTS, "keeps-note-at-ports", "file", |bench| {
            keeps(bench, Place::Ports, 0x1235)
        });
        check_fails(TESTS, "keeps-note-in-memory", "file", |bench| {
            keeps(bench, Place::Memory, 0x1235)
        });
        check_fails(TESTS, "refuses-partial-write", "error bit", |bench| {
            refuses(bench, 0)
        });
    }
}
