use super::*;

fn check(line: &str, expect: Option<Kind>) {
    assert_eq!(
        scan(line.as_bytes()).map(|(kind, _)| kind),
        expect,
        "{line}"
    );
}

#[test]
fn kernel_messages_differ_from_program_output() {
    check(
        "[    0.912345] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        Some(Panic),
    );
    check(
        "Kernel panic - not syncing: sysrq triggered crash",
        Some(Panic),
    );
    check(
        "<0>[    1.000000] Kernel panic - not syncing: x",
        Some(Panic),
    );
    check(
        "[    1.000000][    T1] Kernel panic - not syncing: x",
        Some(Panic),
    );
    check(
        "[    1.000000][   C0] Oops: Oops: 0002 [#1] SMP PTI",
        Some(Oops),
    );
    check(
        "# cat /dev/sda[   12.345678] BUG: unable to handle page fault for address: 00",
        Some(Oops),
    );
    check(
        "[    1.100000] ---[ end Kernel panic - not syncing: x ]---",
        None,
    );
    check(
        "[    1.100000] Oops: divide error: 0000 [#1] PREEMPT SMP NOPTI",
        Some(Oops),
    );
    check("[    1.100000] invalid opcode: 0000 [#1] SMP", Some(Oops));
    check("[    1.100000] Oops [#1]", Some(Oops));
    check(
        "[    1.100000] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
        Some(Notice),
    );
    check(
        "[    1.100000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:41]",
        Some(Notice),
    );
    check(
        "[    1.100000] INFO: task sh:41 blocked for more than 120 seconds.",
        Some(Notice),
    );
    check(
        "[    1.100000] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2",
        Some(Notice),
    );
    check(
        "[    1.100000] BUG: something new in this kernel",
        Some(Oops),
    );
    check("BUG: my script is broken", None);
    check("WARNING: my script is broken", None);
    check("checking for Oops: none", None);
    check("grep 'Kernel panic - not syncing' log", None);
    check("Internal error: out of cheese", None);
    check("[1/5] Building", None);
    check(
        "[    0.300000] WARNING: nvram corruption detected: 0-length partition",
        None,
    );
    check("array[0.5] BUG: ", None);
    check("", None);
}

#[test]
fn choices_may_differ_per_architecture() {
    // arch/arm64/mm/fault.c, traps.c
    check(
        "[    3.792789] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
        Some(Oops),
    );
    check(
        "[    3.792789] Unable to handle kernel paging request at virtual address dead000000000108",
        Some(Oops),
    );
    check(
        "[    3.797203] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
        Some(Oops),
    );
    check(
        "[    3.797203] Internal error: Oops - BUG: 00000000f2000800 [#1] SMP",
        Some(Oops),
    );
    check(
        "[    3.797203] SError Interrupt on CPU0, code 0x00000000be000000 -- SError",
        Some(Oops),
    );
    // arch/powerpc/mm/fault.c, kernel/traps.c
    check(
        "[    1.100000] BUG: Kernel NULL pointer dereference on read at 0x00000000",
        Some(Oops),
    );
    check(
        "[    1.100000] BUG: Unable to handle kernel data access on write at 0xc00a000000000000",
        Some(Oops),
    );
    check(
        "[    1.100000] Oops: Kernel access of bad area, sig: 11 [#1]",
        Some(Oops),
    );
    check(
        "[    1.100000] Oops: Exception in kernel mode, sig: 5 [#1]",
        Some(Oops),
    );
    check(
        "[    1.100000] kernel BUG at lib/list_debug.c:32!",
        Some(Oops),
    );
}

#[test]
fn text_has_no_stamp_or_escapes() {
    let line = b"\x1b[1m[    1.000000] Kernel panic - not syncing: \x1b]0;evil\x07x \r";
    assert_eq!(
        scan(line),
        Some((Panic, "Kernel panic - not syncing: x".to_owned()))
    );
}

/// Recorded consoles: every relevant line is detected, and no other. The oops was caused over
/// qtest: while the processor was idle, a load from address 0 was written to its program counter.
#[test]
fn recorded_consoles_contain_the_provoked_errors() {
    let check = |log: &[u8], expect: &[(Kind, &str)]| {
        let lines = log.split(|byte| *byte == b'\n');
        let found: Vec<(Kind, String)> = lines.filter_map(scan).collect();
        let found: Vec<(Kind, &str)> = found
            .iter()
            .map(|(kind, text)| (*kind, text.as_str()))
            .collect();
        assert_eq!(found, expect);
    };
    let no_root = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
    check(include_bytes!("logs/x86_64-panic.log"), &[(Panic, no_root)]);
    check(
        include_bytes!("logs/x86_64-oops.log"),
        &[
            (
                Oops,
                "BUG: kernel NULL pointer dereference, address: 0000000000000000",
            ),
            (Oops, "Oops: Oops: 0000 [#1] SMP"),
            (
                Panic,
                "Kernel panic - not syncing: Attempted to kill the idle task!",
            ),
        ],
    );
}

#[test]
fn report_begins_at_error_or_backtrace() {
    let check = |line: &str, expect| assert_eq!(begins_report(line.as_bytes()), expect, "{line}");
    check("[    1.000000] BUG: unable to handle page fault", true);
    check("[    1.000000] Call Trace:", true);
    check("[    1.000000] NIP:  c000000000012345 LR: 0", true);
    check("[    1.000000] Kernel panic - not syncing: x", true);
    check(
        "[    1.000000] Oops: Exception in kernel mode, sig: 5 [#1]",
        true,
    );
    check("Call Trace: my own", false);
    check("[    1.000000] tsc: Unable to calibrate", false);
    check("", false);
}

#[test]
fn time_stamp_is_read_at_line_start() {
    let check = |line: &str, expect| assert_eq!(stamp(line.as_bytes()), expect, "{line}");
    check("[   10.456553] sysrq: Trigger", Some(10_456_553));
    check("[    0.000000] Linux version", Some(0));
    check("[10.5] x", None);
    check("[    1.00000é] x", None);
    check("[x.123456] x", None);
    check("10.456553] x", None);
    check("", None);
}
