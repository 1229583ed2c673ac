//! The interrupt controller `GICv3` (Arm IHI 0069, chapter 12): distributor, and the redistributor of a processor.

use qtest::{Bench, Failure, Test, Width};

/// Registers of the distributor.
const CONTROL: u64 = 0x0000;
const TYPE: u64 = 0x0004;
const SET_ENABLE: u64 = 0x0100;
const CLEAR_ENABLE: u64 = 0x0180;
const SET_PENDING: u64 = 0x0200;
const CLEAR_PENDING: u64 = 0x0280;
const PRIORITY: u64 = 0x0400;
const ROUTE: u64 = 0x6000;
const IDENTIFICATION: u64 = 0xffe8;

/// Registers of a redistributor. Those of the private interrupts are in its second frame.
const REDISTRIBUTOR: u64 = 0x0a_0000;
const REDISTRIBUTOR_TYPE: u64 = 0x0008;
const WAKER: u64 = 0x0014;
const PRIVATE: u64 = 0x1_0000;

/// Control: affinity routing without security, and a single security state.
const ROUTING: u64 = 1 << 4;
const SINGLE_SECURITY: u64 = 1 << 6;
/// The waker: the processor sleeps, and its interface is asleep.
const PROCESSOR_SLEEP: u64 = 1 << 1;
const CHILDREN_ASLEEP: u64 = 1 << 2;
/// Redistributor type: the last redistributor.
const LAST: u64 = 1 << 4;

/// A shared interrupt that no device of the machine drives.
const LINE: u64 = 255;

const BASE: Test = Test {
    arguments: &["-machine", "gic-version=3", "-smp", "2"],
    ..Test::of("gicv3", &["gicv3"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "The architecture revision is 3, and there are 288 interrupt lines",
        body: |bench| identifies(bench, 3),
        ..BASE
    },
    Test {
        name: "has-affinity-routing-only",
        description: "Affinity routing is on and stays on",
        body: |bench| routes_by_affinity(bench, ROUTING | SINGLE_SECURITY),
        ..BASE
    },
    Test {
        name: "enables-and-disables-lines",
        description: "Lines are enabled and disabled by ones, and zeroes change nothing",
        body: |bench| enables(bench, 1 << 31),
        ..BASE
    },
    Test {
        name: "keeps-pending-lines",
        description: "A line that software sets is pending until software clears it",
        body: |bench| pends(bench, 1 << 31),
        ..BASE
    },
    Test {
        name: "keeps-priorities",
        description: "Each line has a priority byte of its own",
        body: |bench| priorities(bench, 0xa0),
        ..BASE
    },
    Test {
        name: "keeps-route-of-line",
        description: "The route of a shared line keeps an affinity",
        body: |bench| routes(bench, 1),
        ..BASE
    },
    Test {
        name: "has-redistributor-per-processor",
        description: "Two processors have two redistributors, and the second one is the last",
        body: |bench| redistributors(bench, [0, LAST]),
        ..BASE
    },
    Test {
        name: "redistributor-wakes-up",
        description: "A redistributor is asleep after reset, and wakes up on request",
        body: |bench| wakes(bench, 0),
        ..BASE
    },
    Test {
        name: "private-lines-are-per-processor",
        description: "An enabled private line of a processor is not enabled for another one",
        body: |bench| private(bench, 0),
        ..BASE
    },
];

fn read(bench: &mut Bench<'_>, at: u64) -> Result<u64, Failure> {
    let base = bench.at("gic")?;
    Ok(bench.session.read_width(Width::L, base + at)?)
}

fn write(bench: &mut Bench<'_>, at: u64, value: u64) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    Ok(bench.session.write_width(Width::L, base + at, value)?)
}

/// The register with the bit of the line, among those of 32 lines each.
fn register(first: u64) -> u64 {
    first + LINE / 32 * 4
}

fn identifies(bench: &mut Bench<'_>, revision: u64) -> Result<(), Failure> {
    let found = read(bench, IDENTIFICATION)?;
    bench.check("architecture revision", found >> 4 & 0xf, revision)?;
    let kind = read(bench, TYPE)?;
    bench.check("interrupt lines", 32 * ((kind & 0x1f) + 1), 288)
}

fn routes_by_affinity(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    write(bench, CONTROL, 0)?;
    let found = read(bench, CONTROL)?;
    bench.check("control", found & (ROUTING | SINGLE_SECURITY), expected)
}

/// Sets and clears the bit of the line in a pair of registers.
fn sets_and_clears(
    bench: &mut Bench<'_>,
    (set, clear): (u64, u64),
    what: &str,
    expected: u64,
) -> Result<(), Failure> {
    const BIT: u64 = 1 << (LINE % 32);
    let before = read(bench, register(set))?;
    bench.check(format!("{what} before"), before, 0)?;
    write(bench, register(set), BIT)?;
    write(bench, register(set), 0)?;
    let found = read(bench, register(set))?;
    bench.check(what, found, expected)?;
    let other = read(bench, register(clear))?;
    bench.check(format!("{what} in the other register"), other, BIT)?;
    write(bench, register(clear), BIT)?;
    let after = read(bench, register(set))?;
    bench.check(format!("{what} after"), after, 0)
}

fn enables(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    sets_and_clears(bench, (SET_ENABLE, CLEAR_ENABLE), "enabled", expected)
}

fn pends(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    sets_and_clears(bench, (SET_PENDING, CLEAR_PENDING), "pending", expected)
}

fn priorities(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    write(bench, PRIORITY + 252, 0x4080_00a0)?;
    let found = read(bench, PRIORITY + 252)?;
    bench.check("priority of line 255", found >> 24, 0x40)?;
    bench.check("priority of line 252", found & 0xff, expected)?;
    let other = read(bench, PRIORITY + 248)?;
    bench.check("priorities of the lines before", other, 0)
}

fn routes(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let at = ROUTE + 8 * LINE;
    write(bench, at, 1)?;
    let found = read(bench, at)?;
    bench.check("route", found, expected)
}

fn redistributors(bench: &mut Bench<'_>, expected: [u64; 2]) -> Result<(), Failure> {
    for (processor, expected) in (0u64..).zip(expected) {
        let at = REDISTRIBUTOR + processor * 2 * PRIVATE + REDISTRIBUTOR_TYPE;
        let kind = read(bench, at)?;
        bench.check("processor number", kind >> 8 & 0xffff, processor)?;
        bench.check("last bit", kind & LAST, expected)?;
        let affinity = read(bench, at + 4)?;
        bench.check("affinity", affinity, processor)?;
    }
    Ok(())
}

fn wakes(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    const BOTH: u64 = PROCESSOR_SLEEP | CHILDREN_ASLEEP;
    let before = read(bench, REDISTRIBUTOR + WAKER)?;
    bench.check("waker after reset", before & BOTH, BOTH)?;
    write(bench, REDISTRIBUTOR + WAKER, 0)?;
    let found = read(bench, REDISTRIBUTOR + WAKER)?;
    bench.check("waker", found & BOTH, expected)
}

fn private(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    /// The timer's private line.
    const BIT: u64 = 1 << 30;
    let at = REDISTRIBUTOR + PRIVATE + SET_ENABLE;
    write(bench, at, BIT)?;
    let found = read(bench, at)?;
    bench.check("line of the first processor", found & BIT, BIT)?;
    let other = read(bench, at + 2 * PRIVATE)?;
    bench.check("line of the second processor", other & BIT, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "identifies-itself", "revision", |bench| {
            identifies(bench, 2)
        });
        check_fails(TESTS, "has-affinity-routing-only", "control", |bench| {
            routes_by_affinity(bench, 0)
        });
        check_fails(TESTS, "enables-and-disables-lines", "enabled", |bench| {
            enables(bench, 0)
        });
        check_fails(TESTS, "keeps-pending-lines", "pending", |bench| {
            pends(bench, 0)
        });
        check_fails(TESTS, "keeps-priorities", "line 252", |bench| {
            priorities(bench, 0)
        });
        check_fails(TESTS, "keeps-route-of-line", "route", |bench| {
            routes(bench, 0)
        });
        check_fails(TESTS, "has-redistributor-per-processor", "last", |bench| {
            redistributors(bench, [LAST, 0])
        });
        check_fails(TESTS, "redistributor-wakes-up", "waker", |bench| {
            wakes(bench, CHILDREN_ASLEEP)
        });
        check_fails(
            TESTS,
            "private-lines-are-per-processor",
            "second",
            |bench| private(bench, 1 << 30),
        );
    }
}
