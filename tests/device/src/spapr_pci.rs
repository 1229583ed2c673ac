//! Interrupts of the PCI host of a pseries machine, which firmware calls assign (Power Architecture Platform
//! Requirements 2.7, sections 7.3.10.5 and 14).
//!
//! A guest receives these interrupts with hypercalls, which qtest does not have. The tests find a message in the list of
//! interrupt sources that QEMU's monitor prints.

use qtest::message::MsiX;
use qtest::pci::{Function, MSI};
use qtest::{Bench, Failure, Test, Width};

const SUCCESS: u32 = 0;
const PARAMETER_ERROR: u32 = (-3i32).cast_unsigned();

/// Functions of `ibm,change-msi`, which are also the type in its results less 2.
const SET_MSI: u32 = 3;
const SET_MSI_X: u32 = 4;

const BASE: Test = Test {
    models: &["edu"],
    arguments: &["-machine", "ic-mode=xics", "-device", "edu,addr=4"],
    ..Test::of("spapr-pci", &["pseries"])
};

const NVME: Test = Test {
    models: &["nvme"],
    arguments: &[
        "-machine",
        "ic-mode=xics",
        "-device",
        "nvme,addr=4,serial=kiln,msix_qsize=8",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "assigns-message-of-msi",
        description: "The firmware writes the message of a function, whose data is the interrupt source",
        body: |bench| assigns_msi(bench, 1),
        ..BASE
    },
    Test {
        name: "delivers-message-to-source",
        description: "An interrupt by message arrives at the source of the function and at no other one",
        body: |bench| delivers(bench, 1),
        ..BASE
    },
    Test {
        name: "releases-messages",
        description: "A request of 0 messages releases the source, and a second one is an error",
        body: |bench| releases(bench, 0),
        ..BASE
    },
    Test {
        name: "assigns-messages-of-msi-x",
        description: "Each entry of the table has the next interrupt source",
        body: |bench| assigns_msi_x(bench, 4),
        ..NVME
    },
    Test {
        name: "reports-possible-number-of-messages",
        description: "A request of too many messages returns how many there are, and assigns none",
        body: |bench| too_many(bench, 8),
        ..NVME
    },
    Test {
        name: "refuses-messages-of-absent-function",
        description: "A request for a function that does not exist is a parameter error",
        body: |bench| absent(bench, PARAMETER_ERROR),
        ..BASE
    },
];

/// Requests messages. Returns the status and the number that was assigned.
fn change(
    bench: &mut Bench<'_>,
    function: Function,
    kind: u32,
    count: u32,
) -> Result<(u32, u32), Failure> {
    let (session, pci) = bench.pci()?;
    let results = pci.firmware(session, "ibm,change-msi", function, &[kind, count, 1])?;
    let [status, count, _, _] = results.ok_or_else(no_firmware)?;
    Ok((status, count))
}

/// The interrupt source of a message.
fn source(bench: &mut Bench<'_>, function: Function, message: u32) -> Result<u32, Failure> {
    const QUERY: &str = "ibm,query-interrupt-source-number";
    let (session, pci) = bench.pci()?;
    let results = pci.firmware(session, QUERY, function, &[message])?;
    let [status, source, is_level] = results.ok_or_else(no_firmware)?;
    bench.check("status of the query", status, SUCCESS)?;
    // PAPR: 1 is an edge, which a message is.
    bench.check("trigger", is_level, 1)?;
    Ok(source)
}

fn no_firmware() -> Failure {
    Failure::Missing("a PCI host of the firmware".to_owned())
}

/// The status of each interrupt source for messages: `1300 MSI ff 00` is source 0x1300 with priority 0xff.
fn sources(bench: &mut Bench<'_>) -> Result<Vec<(u32, u8)>, Failure> {
    let list = bench.session.human("info pic");
    let list = list.map_err(|error| Failure::Missing(format!("`info pic`: {error}")))?;
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let source = u32::from_str_radix(words.next()?, 16).ok()?;
        (words.next()? == "MSI").then_some(())?;
        Some((source, u8::from_str_radix(words.nth(1)?, 16).ok()?))
    };
    Ok(list.lines().filter_map(parse).collect())
}

fn edu(bench: &mut Bench<'_>) -> Result<Function, Failure> {
    bench.function(0x1234, 0x11e8)
}

/// Where the capability of MSI is, which has an address of 64 bits.
fn capability(bench: &mut Bench<'_>, function: Function) -> Result<u16, Failure> {
    let (session, pci) = bench.pci()?;
    let capabilities = pci.capabilities(session, function)?;
    let msi = capabilities.iter().find(|it| it.id == MSI);
    Ok(msi.ok_or_else(|| Failure::Missing("MSI".to_owned()))?.at)
}

fn assigns_msi(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let function = edu(bench)?;
    let (status, count) = change(bench, function, SET_MSI, 1)?;
    bench.check("status", status, SUCCESS)?;
    bench.check("messages", count, expected)?;
    let source = source(bench, function, 0)?;
    let at = capability(bench, function)?;
    let low = bench.config(function, Width::L, at + 4)?;
    let high = bench.config(function, Width::L, at + 8)?;
    bench.check("address is not 0", (high, low) != (0, 0), true)?;
    let data = bench.config(function, Width::W, at + 12)?;
    bench.check("data", data, source)
}

fn delivers(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    const RAISE: u64 = 0x60;
    let function = edu(bench)?;
    change(bench, function, SET_MSI, 1)?;
    let wanted = source(bench, function, 0)?;
    let control = capability(bench, function)? + 2;
    let enabled = bench.config(function, Width::W, control)? | 1;
    bench.set_config(function, Width::W, control, enabled)?;
    let before = sources(bench)?;
    let registers = bench.map(function, 0)?;
    // The registers have the byte order of the target in QEMU 10.0.
    bench.write(registers, Width::L, RAISE, 0x0100_0000)?;
    let after = sources(bench)?;
    let changed: Vec<u32> = after
        .iter()
        .filter(|it| !before.contains(it))
        .map(|it| it.0)
        .collect();
    bench.check("changed sources", changed.len(), expected)?;
    bench.check("changed source", changed[0], wanted)
}

fn releases(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    let function = edu(bench)?;
    change(bench, function, SET_MSI, 1)?;
    let source = source(bench, function, 0)?;
    let list = sources(bench)?;
    let has_source = list.iter().any(|it| it.0 == source);
    bench.check("source before the release", has_source, true)?;
    let (status, _) = change(bench, function, SET_MSI, 0)?;
    bench.check("status of the release", status, SUCCESS)?;
    let list = sources(bench)?;
    let count = list.iter().filter(|it| it.0 == source).count();
    bench.check("sources after the release", count, expected)?;
    let (status, _) = change(bench, function, SET_MSI, 0)?;
    bench.check("second release fails", status != SUCCESS, true)
}

fn nvme(bench: &mut Bench<'_>) -> Result<Function, Failure> {
    bench.function(0x1b36, 0x0010)
}

fn assigns_msi_x(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let function = nvme(bench)?;
    let table = MsiX::enable(bench, function)?;
    let (status, count) = change(bench, function, SET_MSI_X, 4)?;
    bench.check("status", status, SUCCESS)?;
    bench.check("messages", count, expected)?;
    let first = source(bench, function, 0)?;
    for (index, wanted) in (0u16..4).zip(first..) {
        let found = source(bench, function, index.into())?;
        bench.check(format!("source of message {index}"), found, wanted)?;
        let data = table.data(bench, index)?;
        bench.check(format!("data of message {index}"), data, wanted.into())?;
    }
    Ok(())
}

fn too_many(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let function = nvme(bench)?;
    let before = sources(bench)?;
    let (status, count) = change(bench, function, SET_MSI_X, 100)?;
    bench.check("status", status, SUCCESS)?;
    bench.check("possible messages", count, expected)?;
    let after = sources(bench)?;
    bench.check("sources", after, before)
}

fn absent(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let function = Function {
        bus: 0,
        device: 30,
        function: 0,
    };
    let (status, _) = change(bench, function, SET_MSI, 1)?;
    bench.check("status", status, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "assigns-message-of-msi", "messages", |bench| {
            assigns_msi(bench, 2)
        });
        check_fails(TESTS, "delivers-message-to-source", "sources", |bench| {
            delivers(bench, 0)
        });
        check_fails(TESTS, "releases-messages", "after", |bench| {
            releases(bench, 1)
        });
        check_fails(TESTS, "assigns-messages-of-msi-x", "messages", |bench| {
            assigns_msi_x(bench, 3)
        });
        check_fails(
            TESTS,
            "reports-possible-number-of-messages",
            "possible",
            |bench| too_many(bench, 100),
        );
        check_fails(
            TESTS,
            "refuses-messages-of-absent-function",
            "status",
            |bench| absent(bench, SUCCESS),
        );
    }
}
