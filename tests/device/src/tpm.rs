//! A TPM 2.0 behind its register interfaces FIFO (TIS) and CRB (TCG PC Client Platform TPM Profile 1.05, sections 6.4 and
//! 6.5). The program swtpm emulates the TPM.

use qtest::companion::Companion;
use qtest::{Bench, Failure, Test, Width};

/// Registers of locality 0 of the FIFO interface.
const ACCESS: u64 = 0x00;
const STATUS: u64 = 0x18;
const FIFO: u64 = 0x24;
const INTERFACE: u64 = 0x30;
const VENDOR: u64 = 0xf00;
/// Bytes between two localities.
const LOCALITY: u64 = 0x1000;

/// Access: request of the locality, and what is granted.
const REQUEST: u64 = 1 << 1;
const ACTIVE: u64 = 1 << 5;
const VALID: u64 = 1 << 7;
/// Status: the TPM takes a command, starts it, has data.
const COMMAND_READY: u64 = 1 << 6;
const START: u64 = 1 << 5;
const DATA: u64 = 1 << 4;
const EXPECTS: u64 = 1 << 3;

/// Registers of the CRB interface.
const LOCALITY_CONTROL: u64 = 0x08;
const LOCALITY_STATUS: u64 = 0x0c;
const CRB_REQUEST: u64 = 0x40;
const CRB_STATUS: u64 = 0x44;
const CRB_START: u64 = 0x4c;
const COMMAND_ADDRESS: u64 = 0x5c;
const RESPONSE_ADDRESS: u64 = 0x68;

/// `TPM2_Startup`, which the firmware of a machine sends.
const STARTUP: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0];
/// `TPM2_GetRandom` of 16 bytes, and the first bytes of its response: no sessions, size, success, size of the bytes.
const GET_RANDOM: [u8; 12] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 16];
const RANDOM: [u8; 12] = [0x80, 0x01, 0, 0, 0, 28, 0, 0, 0, 0, 0, 16];
/// A command that does not exist, and the response to it: `TPM_RC_COMMAND_CODE`.
const UNKNOWN: [u8; 10] = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x0f, 0xff];
const UNKNOWN_CODE: [u8; 10] = [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x43];

const SWTPM: Companion = Companion {
    program: "swtpm",
    arguments: &[
        "socket",
        "--tpm2",
        "--tpmstate",
        "dir=.",
        "--ctrl",
        "type=unixio,path=tpm.socket",
        "--terminate",
    ],
    socket: "tpm.socket",
};

const FIFO_OF_PC: Test = Test {
    companion: Some(SWTPM),
    models: &["tpm-tis"],
    arguments: &[
        "-chardev",
        "socket,id=tpm,path=tpm.socket",
        "-tpmdev",
        "emulator,id=tpm,chardev=tpm",
        "-device",
        "tpm-tis,tpmdev=tpm",
    ],
    ..Test::of("tpm", &["tpm"])
};

const FIFO_ON_BUS: Test = Test {
    needs: &["platform-bus"],
    models: &["tpm-tis-device"],
    arguments: &[
        "-chardev",
        "socket,id=tpm,path=tpm.socket",
        "-tpmdev",
        "emulator,id=tpm,chardev=tpm",
        "-device",
        "tpm-tis-device,tpmdev=tpm",
    ],
    ..FIFO_OF_PC
};

const CRB: Test = Test {
    models: &["tpm-crb"],
    arguments: &[
        "-chardev",
        "socket,id=tpm,path=tpm.socket",
        "-tpmdev",
        "emulator,id=tpm,chardev=tpm",
        "-device",
        "tpm-crb,tpmdev=tpm",
    ],
    ..FIFO_OF_PC
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "tis-has-fifo-interface",
        description: "The interface is FIFO, it has five localities, and the vendor is not 0",
        body: |bench| fifo_identifies(bench, 0),
        ..FIFO_OF_PC
    },
    Test {
        name: "tis-grants-one-locality",
        description: "A locality is active after its request, and a second one is not",
        body: |bench| grants(bench, [ACTIVE, 0]),
        ..FIFO_OF_PC
    },
    Test {
        name: "tis-expects-whole-command",
        description: "The TPM expects more bytes until the command has the size in its header",
        body: |bench| expects(bench, 0),
        ..FIFO_OF_PC
    },
    Test {
        name: "tis-returns-random-bytes",
        description: "Two requests of random bytes return different ones",
        body: |bench| random(bench, fifo, &RANDOM),
        ..FIFO_OF_PC
    },
    Test {
        name: "tis-refuses-unknown-command",
        description: "A command that does not exist has the response code for it",
        body: |bench| unknown(bench, fifo, &UNKNOWN_CODE),
        ..FIFO_OF_PC
    },
    Test {
        name: "tis-on-platform-bus-returns-random-bytes",
        description: "Two requests of random bytes return different ones",
        body: |bench| random(bench, fifo, &RANDOM),
        ..FIFO_ON_BUS
    },
    Test {
        name: "crb-has-crb-interface",
        description: "The interface is CRB, and the TPM is neither idle nor failed",
        body: |bench| crb_identifies(bench, 1),
        ..CRB
    },
    Test {
        name: "crb-grants-locality",
        description: "Locality 0 is granted after its request, and released again",
        body: |bench| crb_grants(bench, 1),
        ..CRB
    },
    Test {
        name: "crb-returns-random-bytes",
        description: "Two requests of random bytes return different ones",
        body: |bench| random(bench, crb, &RANDOM),
        ..CRB
    },
    Test {
        name: "crb-refuses-unknown-command",
        description: "A command that does not exist has the response code for it",
        body: |bench| unknown(bench, crb, &UNKNOWN_CODE),
        ..CRB
    },
];

/// Sends a command. Returns the response.
type Exchange = fn(&mut Bench<'_>, &[u8]) -> Result<Vec<u8>, Failure>;

fn read(bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
    let base = bench.at("tpm")?;
    Ok(bench.session.read_width(width, base + at)?)
}

fn write(bench: &mut Bench<'_>, width: Width, at: u64, value: u64) -> Result<(), Failure> {
    let base = bench.at("tpm")?;
    Ok(bench.session.write_width(width, base + at, value)?)
}

fn wait(bench: &mut Bench<'_>, what: &str, at: u64, bits: u64, value: u64) -> Result<(), Failure> {
    bench.wait_until(what, |bench| Ok(read(bench, Width::L, at)? & bits == value))
}

/// Requests locality 0 of the FIFO interface, and makes it ready for a command.
fn prepare(bench: &mut Bench<'_>) -> Result<(), Failure> {
    write(bench, Width::B, ACCESS, REQUEST)?;
    write(bench, Width::B, STATUS, COMMAND_READY)?;
    wait(
        bench,
        "the TPM takes a command",
        STATUS,
        COMMAND_READY,
        COMMAND_READY,
    )
}

/// The size of a response, from its header.
fn size(header: &[u8]) -> usize {
    u32::from_be_bytes([header[2], header[3], header[4], header[5]]) as usize
}

fn fifo(bench: &mut Bench<'_>, command: &[u8]) -> Result<Vec<u8>, Failure> {
    prepare(bench)?;
    for byte in command {
        write(bench, Width::B, FIFO, (*byte).into())?;
    }
    write(bench, Width::B, STATUS, START)?;
    wait(bench, "the TPM has a response", STATUS, DATA, DATA)?;
    let mut response = Vec::new();
    while read(bench, Width::L, STATUS)? & DATA != 0 && response.len() < 4096 {
        response.push((read(bench, Width::B, FIFO)? & 0xff) as u8);
    }
    bench.check("size of the response", response.len() >= 10, true)?;
    bench.check("size in the header", size(&response), response.len())?;
    write(bench, Width::B, STATUS, COMMAND_READY)?;
    Ok(response)
}

fn crb(bench: &mut Bench<'_>, command: &[u8]) -> Result<Vec<u8>, Failure> {
    write(bench, Width::L, LOCALITY_CONTROL, 1)?;
    // Bit 0 requests the state in which the TPM takes commands.
    write(bench, Width::L, CRB_REQUEST, 1)?;
    wait(bench, "the TPM takes a command", CRB_REQUEST, 1, 0)?;
    let target = read(bench, Width::L, COMMAND_ADDRESS)?;
    for (at, byte) in (target..).zip(command) {
        bench.session.writeb(at, *byte)?;
    }
    write(bench, Width::L, CRB_START, 1)?;
    wait(bench, "the TPM has a response", CRB_START, 1, 0)?;
    let source = read(bench, Width::L, RESPONSE_ADDRESS)?;
    let header = bench.session.read(source, 10)?;
    let length = size(&header);
    bench.check("size is plausible", (10..4096).contains(&length), true)?;
    Ok(bench.session.read(source, length)?)
}

fn fifo_identifies(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let interface = read(bench, Width::L, INTERFACE)?;
    bench.check("type of the interface", interface & 0xf, expected)?;
    bench.check("five localities", interface >> 8 & 1, 1)?;
    let vendor = read(bench, Width::L, VENDOR)?;
    let is_valid = vendor != 0 && vendor != 0xffff_ffff;
    bench.check("vendor is valid", is_valid, true)
}

fn grants(bench: &mut Bench<'_>, expected: [u64; 2]) -> Result<(), Failure> {
    let before = read(bench, Width::B, ACCESS)?;
    bench.check("access before", before & (ACTIVE | VALID), VALID)?;
    for (locality, expected) in (0..).zip(expected) {
        let at = ACCESS + locality * LOCALITY;
        write(bench, Width::B, at, REQUEST)?;
        let found = read(bench, Width::B, at)?;
        bench.check(
            format!("locality {locality} is active"),
            found & ACTIVE,
            expected,
        )?;
    }
    Ok(())
}

fn expects(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    prepare(bench)?;
    for byte in &GET_RANDOM[..11] {
        write(bench, Width::B, FIFO, (*byte).into())?;
    }
    let before = read(bench, Width::L, STATUS)?;
    bench.check("expects the last byte", before & EXPECTS, EXPECTS)?;
    write(bench, Width::B, FIFO, GET_RANDOM[11].into())?;
    let found = read(bench, Width::L, STATUS)?;
    bench.check("expects more", found & EXPECTS, expected)
}

fn random(bench: &mut Bench<'_>, exchange: Exchange, header: &[u8]) -> Result<(), Failure> {
    exchange(bench, &STARTUP)?;
    let first = exchange(bench, &GET_RANDOM)?;
    let found = &first[..first.len().min(12)];
    bench.check("header of the response", found, header)?;
    let second = exchange(bench, &GET_RANDOM)?;
    bench.check("bytes differ", first != second, true)
}

fn unknown(bench: &mut Bench<'_>, exchange: Exchange, expected: &[u8]) -> Result<(), Failure> {
    let response = exchange(bench, &UNKNOWN)?;
    bench.check("response", response.as_slice(), expected)
}

fn crb_identifies(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let interface = read(bench, Width::L, INTERFACE)?;
    bench.check("type of the interface", interface & 0xf, expected)?;
    write(bench, Width::L, LOCALITY_CONTROL, 1)?;
    write(bench, Width::L, CRB_REQUEST, 1)?;
    wait(bench, "the request ends", CRB_REQUEST, 1, 0)?;
    let status = read(bench, Width::L, CRB_STATUS)?;
    bench.check("idle or failed", status & 0b11, 0)
}

fn crb_grants(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    write(bench, Width::L, LOCALITY_CONTROL, 1)?;
    let found = read(bench, Width::L, LOCALITY_STATUS)?;
    bench.check("granted", found & 1, expected)?;
    write(bench, Width::L, LOCALITY_CONTROL, 1 << 1)?;
    let after = read(bench, Width::L, LOCALITY_STATUS)?;
    bench.check("granted after the release", after & 1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "tis-has-fifo-interface", "type", |bench| {
            fifo_identifies(bench, 1)
        });
        check_fails(TESTS, "tis-grants-one-locality", "locality 1", |bench| {
            grants(bench, [ACTIVE, ACTIVE])
        });
        check_fails(TESTS, "tis-expects-whole-command", "more", |bench| {
            expects(bench, EXPECTS)
        });
        check_fails(TESTS, "crb-has-crb-interface", "type", |bench| {
            crb_identifies(bench, 0)
        });
        check_fails(TESTS, "crb-grants-locality", "granted", |bench| {
            crb_grants(bench, 0)
        });
        for (name, exchange) in [("tis", fifo as Exchange), ("crb", crb)] {
            let test = format!("{name}-returns-random-bytes");
            check_fails(TESTS, &test, "header", |bench| {
                random(bench, exchange, &GET_RANDOM)
            });
            let test = format!("{name}-refuses-unknown-command");
            check_fails(TESTS, &test, "response", |bench| {
                unknown(bench, exchange, &UNKNOWN)
            });
        }
    }
}
