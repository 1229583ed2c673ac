//! A management controller behind its system interfaces KCS and BT (Intelligent Platform Management Interface
//! Specification 2.0, sections 9, 11, 20 and 22).

use qtest::{Bench, Failure, Test};

/// KCS: the data register, and the register of status and commands.
const KCS_DATA: u16 = 0xca2;
const KCS_STATUS: u16 = 0xca3;
const OUTPUT_FULL: u8 = 1;
const INPUT_FULL: u8 = 1 << 1;
const STATE_IDLE: u8 = 0;
const STATE_READ: u8 = 1;
const STATE_WRITE: u8 = 2;
const STATE_ERROR: u8 = 3;
const GET_STATUS: u8 = 0x60;
const WRITE_START: u8 = 0x61;
const WRITE_END: u8 = 0x62;
const READ: u8 = 0x68;

/// BT: control, the buffer of messages, and the interrupt mask.
const BT_CONTROL: u16 = 0xe4;
const BT_BUFFER: u16 = 0xe5;
const CLEAR_WRITE: u8 = 1;
const CLEAR_READ: u8 = 1 << 1;
const HOST_REQUEST: u8 = 1 << 2;
const CONTROLLER_REQUEST: u8 = 1 << 3;
const HOST_BUSY: u8 = 1 << 6;
const CONTROLLER_BUSY: u8 = 1 << 7;

/// Network functions: application, storage, and their responses.
const APPLICATION: u8 = 6 << 2;
const STORAGE: u8 = 10 << 2;
const RESPONSE: u8 = 1 << 2;
const GET_DEVICE_ID: u8 = 0x01;
const SET_WATCHDOG: u8 = 0x24;
const GET_WATCHDOG: u8 = 0x25;
const GET_SELECTOR_INFO: u8 = 0x40;
/// Completion codes.
const SUCCESS: u8 = 0x00;
const INVALID_COMMAND: u8 = 0xc1;

const KCS: Test = Test {
    models: &["ipmi-bmc-sim", "isa-ipmi-kcs"],
    arguments: &[
        "-device",
        "ipmi-bmc-sim,id=bmc",
        "-device",
        "isa-ipmi-kcs,bmc=bmc",
    ],
    ..Test::of("ipmi", &["isa"])
};

const BT: Test = Test {
    models: &["ipmi-bmc-sim", "isa-ipmi-bt"],
    arguments: &[
        "-device",
        "ipmi-bmc-sim,id=bmc",
        "-device",
        "isa-ipmi-bt,bmc=bmc",
    ],
    ..KCS
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "kcs-is-idle",
        description: "The interface is in its idle state, and both buffers are empty",
        body: |bench| is_idle(bench, STATE_IDLE),
        ..KCS
    },
    Test {
        name: "kcs-returns-device-id",
        description: "Get Device ID succeeds and reports IPMI 2.0",
        body: |bench| device_id(bench, kcs, 0x02),
        ..KCS
    },
    Test {
        name: "kcs-refuses-unknown-command",
        description: "A command that does not exist has the completion code of an invalid command",
        body: |bench| unknown(bench, kcs, INVALID_COMMAND),
        ..KCS
    },
    Test {
        name: "kcs-keeps-watchdog-timer",
        description: "Get Watchdog Timer returns what Set Watchdog Timer set",
        body: |bench| watchdog(bench, kcs, 600),
        ..KCS
    },
    Test {
        name: "kcs-reports-event-log",
        description: "The system event log is empty and has version 1.5",
        body: |bench| event_log(bench, kcs, 0x51),
        ..KCS
    },
    Test {
        name: "kcs-reports-illegal-transfer",
        description: "A control code in the wrong state is an error, which Get Status clears",
        body: |bench| illegal(bench, STATE_ERROR),
        ..KCS
    },
    Test {
        name: "bt-is-idle",
        description: "Neither side of the interface is busy or has a message",
        body: |bench| bt_is_idle(bench, 0),
        ..BT
    },
    Test {
        name: "bt-returns-device-id",
        description: "Get Device ID succeeds and reports IPMI 2.0",
        body: |bench| device_id(bench, bt, 0x02),
        ..BT
    },
    Test {
        name: "bt-refuses-unknown-command",
        description: "A command that does not exist has the completion code of an invalid command",
        body: |bench| unknown(bench, bt, INVALID_COMMAND),
        ..BT
    },
    Test {
        name: "bt-keeps-watchdog-timer",
        description: "Get Watchdog Timer returns what Set Watchdog Timer set",
        body: |bench| watchdog(bench, bt, 600),
        ..BT
    },
    Test {
        name: "bt-interrupt-flag-is-read-back",
        description: "The interrupt mask register keeps its enable bit",
        body: |bench| bt_mask(bench, 1),
        ..BT
    },
];

/// Sends a request: network function, command and data. Returns the response in the same form, with the completion code
/// before the data.
type Exchange = fn(&mut Bench<'_>, &[u8]) -> Result<Vec<u8>, Failure>;

fn kcs_state(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    Ok(bench.session.inb(KCS_STATUS)? >> 6)
}

fn kcs_is_ready(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.wait_until("the controller has read the input", |bench| {
        Ok(bench.session.inb(KCS_STATUS)? & INPUT_FULL == 0)
    })
}

/// Reads the output register, which must be full.
fn kcs_output(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    bench.wait_until("the output is full", |bench| {
        Ok(bench.session.inb(KCS_STATUS)? & OUTPUT_FULL != 0)
    })?;
    Ok(bench.session.inb(KCS_DATA)?)
}

/// Writes to a register in the state of a request that is being written. The output byte is discarded.
fn kcs_write(bench: &mut Bench<'_>, register: u16, value: u8) -> Result<(), Failure> {
    bench.session.outb(register, value)?;
    kcs_is_ready(bench)?;
    let state = kcs_state(bench)?;
    bench.check("state of a write", state, STATE_WRITE)?;
    kcs_output(bench).map(drop)
}

fn kcs(bench: &mut Bench<'_>, request: &[u8]) -> Result<Vec<u8>, Failure> {
    kcs_is_ready(bench)?;
    kcs_write(bench, KCS_STATUS, WRITE_START)?;
    let (last, first) = request.split_last().unwrap_or((&0, &[]));
    for byte in first {
        kcs_write(bench, KCS_DATA, *byte)?;
    }
    kcs_write(bench, KCS_STATUS, WRITE_END)?;
    bench.session.outb(KCS_DATA, *last)?;
    let mut response = Vec::new();
    loop {
        kcs_is_ready(bench)?;
        match kcs_state(bench)? {
            STATE_READ => {
                response.push(kcs_output(bench)?);
                bench.session.outb(KCS_DATA, READ)?;
            }
            state => {
                bench.check("state at the end", state, STATE_IDLE)?;
                kcs_output(bench)?;
                return Ok(response);
            }
        }
    }
}

fn bt(bench: &mut Bench<'_>, request: &[u8]) -> Result<Vec<u8>, Failure> {
    const SEQUENCE: u8 = 0x5a;
    let (function, rest) = request.split_first().unwrap_or((&0, &[]));
    bench.session.outb(BT_CONTROL, CLEAR_WRITE)?;
    let length = u8::try_from(request.len() + 1).unwrap_or(u8::MAX);
    for byte in [length, *function, SEQUENCE].iter().chain(rest) {
        bench.session.outb(BT_BUFFER, *byte)?;
    }
    bench.session.outb(BT_CONTROL, HOST_REQUEST)?;
    bench.wait_until("the controller has a response", |bench| {
        Ok(bench.session.inb(BT_CONTROL)? & CONTROLLER_REQUEST != 0)
    })?;
    bench.session.outb(BT_CONTROL, HOST_BUSY)?;
    bench.session.outb(BT_CONTROL, CONTROLLER_REQUEST)?;
    bench.session.outb(BT_CONTROL, CLEAR_READ)?;
    let length = bench.session.inb(BT_BUFFER)?;
    let mut message = Vec::new();
    for _ in 0..length {
        message.push(bench.session.inb(BT_BUFFER)?);
    }
    bench.session.outb(BT_CONTROL, HOST_BUSY)?;
    bench.check("length of a response", message.len() >= 4, true)?;
    bench.check("sequence number", message.remove(1), SEQUENCE)?;
    Ok(message)
}

fn is_idle(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = bench.session.inb(KCS_STATUS)?;
    bench.check("full buffers", status & (OUTPUT_FULL | INPUT_FULL), 0)?;
    bench.check("state", status >> 6, expected)
}

/// Sends a request that must succeed. Returns the data of the response.
fn succeed(
    bench: &mut Bench<'_>,
    exchange: Exchange,
    request: &[u8],
    least: usize,
) -> Result<Vec<u8>, Failure> {
    let response = exchange(bench, request)?;
    bench.check("length of the response", response.len() >= 3 + least, true)?;
    let header = [request[0] | RESPONSE, request[1], SUCCESS];
    bench.check("header of the response", &response[..3], &header)?;
    Ok(response[3..].to_vec())
}

fn device_id(bench: &mut Bench<'_>, exchange: Exchange, version: u8) -> Result<(), Failure> {
    let data = succeed(bench, exchange, &[APPLICATION, GET_DEVICE_ID], 11)?;
    // Bit 7: the controller is updating its firmware.
    bench.check("available", data[2] >> 7, 0)?;
    bench.check("version", data[4], version)
}

fn unknown(bench: &mut Bench<'_>, exchange: Exchange, expected: u8) -> Result<(), Failure> {
    let response = exchange(bench, &[APPLICATION, 0xfe])?;
    bench.check("length of the response", response.len(), 3)?;
    bench.check("completion code", response[2], expected)
}

fn watchdog(bench: &mut Bench<'_>, exchange: Exchange, expected: u16) -> Result<(), Failure> {
    // Use: operating system. Action: none. Initial value: 600 * 100 ms.
    let [low, high] = 600u16.to_le_bytes();
    let request = [APPLICATION, SET_WATCHDOG, 0x04, 0x00, 0, 0x10, low, high];
    succeed(bench, exchange, &request, 0)?;
    let data = succeed(bench, exchange, &[APPLICATION, GET_WATCHDOG], 8)?;
    bench.check("use", data[0] & 0b111, 4)?;
    bench.check("the timer runs", data[0] >> 6 & 1, 0)?;
    let found = u16::from_le_bytes([data[4], data[5]]);
    bench.check("initial value", found, expected)
}

fn event_log(bench: &mut Bench<'_>, exchange: Exchange, version: u8) -> Result<(), Failure> {
    let data = succeed(bench, exchange, &[STORAGE, GET_SELECTOR_INFO], 14)?;
    bench.check("version", data[0], version)?;
    bench.check("entries", u16::from_le_bytes([data[1], data[2]]), 0)
}

fn illegal(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    bench.session.outb(KCS_STATUS, WRITE_END)?;
    kcs_is_ready(bench)?;
    let state = kcs_state(bench)?;
    bench.check("state after the wrong code", state, expected)?;
    bench.session.inb(KCS_DATA)?;
    bench.session.outb(KCS_STATUS, GET_STATUS)?;
    kcs_is_ready(bench)?;
    bench.session.inb(KCS_DATA)?;
    // The status code, then the end.
    bench.session.outb(KCS_DATA, 0)?;
    kcs_is_ready(bench)?;
    let state = kcs_state(bench)?;
    bench.check("state of the status code", state, STATE_READ)?;
    kcs_output(bench)?;
    bench.session.outb(KCS_DATA, READ)?;
    kcs_is_ready(bench)?;
    let state = kcs_state(bench)?;
    bench.check("state at the end", state, STATE_IDLE)
}

fn bt_is_idle(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const STATE: u8 = HOST_REQUEST | CONTROLLER_REQUEST | HOST_BUSY | CONTROLLER_BUSY;
    let control = bench.session.inb(BT_CONTROL)?;
    bench.check("control", control & STATE, expected)
}

fn bt_mask(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    const MASK: u16 = 0xe6;
    let before = bench.session.inb(MASK)?;
    bench.check("enable bit before", before & 1, 0)?;
    bench.session.outb(MASK, 1)?;
    let found = bench.session.inb(MASK)?;
    bench.check("enable bit", found & 1, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "kcs-is-idle", "state", |bench| {
            is_idle(bench, STATE_READ)
        });
        for (interface, exchange) in [("kcs", kcs as Exchange), ("bt", bt)] {
            let name = |test: &str| format!("{interface}-{test}");
            check_fails(TESTS, &name("returns-device-id"), "version", |bench| {
                device_id(bench, exchange, 0x51)
            });
            check_fails(
                TESTS,
                &name("refuses-unknown-command"),
                "completion",
                |bench| unknown(bench, exchange, SUCCESS),
            );
            check_fails(TESTS, &name("keeps-watchdog-timer"), "initial", |bench| {
                watchdog(bench, exchange, 601)
            });
        }
        check_fails(TESTS, "kcs-reports-event-log", "version", |bench| {
            event_log(bench, kcs, 0x02)
        });
        check_fails(
            TESTS,
            "kcs-reports-illegal-transfer",
            "wrong code",
            |bench| illegal(bench, STATE_IDLE),
        );
        check_fails(TESTS, "bt-is-idle", "control", |bench| {
            bt_is_idle(bench, CONTROLLER_BUSY)
        });
        check_fails(TESTS, "bt-interrupt-flag-is-read-back", "enable", |bench| {
            bt_mask(bench, 0)
        });
    }
}
