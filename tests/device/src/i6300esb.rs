//! The watchdog timer of a 6300ESB (Intel 300641).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["i6300esb"],
    arguments: &["-device", "i6300esb,addr=4", "-action", "watchdog=none"],
    ..Test::of("i6300esb", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "keeps-lock-bit",
        description: "The lock register keeps enable, and its lock once set",
        body: |bench| keeps_lock(bench, 0b01),
        ..BASE
    },
    Test {
        name: "sets-flag-when-it-expires",
        description: "The second timeout sets the flag for the next boot, not the first one",
        clock: true,
        body: |bench| expires(bench, 1),
        ..BASE
    },
];

fn keeps_lock(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "keeps-lock-bit", "locked", |bench| {
            keeps_lock(bench, 0)
        });
        check_fails(
            TESTS,
            "sets-flag-when-it-expires",
            "flag after 2.02 s",
            |bench| expires(bench, 0),
        );
    }
}
