use super::*;

const REPORT: ExpectedEnd = ExpectedEnd::Report;
const LIMIT: Duration = Duration::from_secs(30);

fn end(status: i32, taint: u64) -> Happened {
    Happened::End {
        status,
        taint,
        last_line: Some("cmp: EOF".to_owned()),
    }
}

fn exited(how: Exit) -> Happened {
    Happened::Exited {
        how,
        explanation: None,
        last_line: Some("qemu: no such device".to_owned()),
    }
}

fn shutdown(reason: &str) -> Happened {
    Happened::Shutdown {
        guest: reason.starts_with("guest-"),
        reason: reason.to_owned(),
    }
}

/// A shutdown with an orderly exit of QEMU.
fn off(reason: &str) -> [Happened; 2] {
    [
        shutdown(reason),
        Happened::Exited {
            how: Exit::Code(0),
            explanation: None,
            last_line: None,
        },
    ]
}

fn panic_line() -> Happened {
    Happened::Panic("Kernel panic - not syncing: x".to_owned())
}

fn oops_line() -> Happened {
    Happened::Oops("BUG: kernel NULL pointer dereference".to_owned())
}

fn check(ends: ExpectedEnd, reboots: u32, happened: &[Happened], word: &str, cause: &str) {
    let outcome = fold(ends, reboots, happened);
    assert_eq!(
        (outcome.label(), outcome.cause().as_str()),
        (word, cause),
        "{happened:?}"
    );
}

#[test]
fn only_an_end_record_of_zero_passes() {
    let ready = Happened::Ready;
    let check = |happened: &[Happened], word, cause| check(REPORT, 0, happened, word, cause);
    check(&[ready.clone(), end(0, 0)], "passed", "");
    check(
        &[ready.clone(), end(1, 0)],
        "failed",
        "exit status 1, last line: cmp: EOF",
    );
    check(
        &[ready.clone(), end(139, 0)],
        "failed",
        "killed by SIGSEGV, last line: cmp: EOF",
    );
    check(&[ready.clone(), end(77, 0)], "skipped", "cmp: EOF");
    let skip = Happened::SkipReason("no NUMA".to_owned());
    check(
        &[ready.clone(), skip.clone(), end(77, 0)],
        "skipped",
        "no NUMA",
    );
    check(&[ready.clone(), skip, end(0, 0)], "passed", "");
    check(
        &[ready.clone(), end(99, 0)],
        "harness error",
        "hard error (exit status 99), last line: cmp: EOF",
    );
    let fail = Happened::FailReason("waited in vain for: x".to_owned());
    check(
        &[ready.clone(), fail, end(1, 0)],
        "failed",
        "waited in vain for: x",
    );
    check(&[ready], "lost guest", "lost contact with the guest");
    check(&[], "lost guest", "lost contact with the guest");
}

#[test]
fn user_of_a_failed_guest_changes_no_outcome() {
    let ready = Happened::Ready;
    let shell = |status| Happened::Shell {
        status,
        last_line: Some("no disk".to_owned()),
    };
    let reset = Happened::Reset { guest: true };
    let place = Happened::FailedAt("x.sh:3: `false`".to_owned());
    let happened = [
        ready.clone(),
        place,
        shell(1),
        reset.clone(),
        Happened::Settled,
    ];
    check(
        REPORT,
        0,
        &happened,
        "failed",
        "x.sh:3: `false`: exit status 1",
    );
    let happened = [ready, shell(0), reset, Happened::Settled];
    let cause = "the guest reset itself unexpectedly (call `leave reboot` first)";
    check(REPORT, 0, &happened, "lost guest", cause);
}

#[test]
fn time_limit_outcome_contains_its_phase() {
    let boot = Happened::Deadline(Phase::Boot, LIMIT);
    check(
        REPORT,
        0,
        &[boot],
        "timed out",
        "the guest was not ready within 30 s",
    );
    let test = Happened::Deadline(Phase::Test, LIMIT);
    check(
        REPORT,
        0,
        &[Happened::Ready, test],
        "timed out",
        "the test did not end within 30 s",
    );
}

#[test]
fn kernel_fault_explains_later_events() {
    let panic = "Kernel panic - not syncing: x";
    let oops = "BUG: kernel NULL pointer dereference";
    let check = |happened: &[Happened], word, cause| check(REPORT, 0, happened, word, cause);
    check(
        &[panic_line(), shutdown("guest-reset"), Happened::Settled],
        "guest panicked",
        panic,
    );
    let [reset, gone] = off("guest-reset");
    // Console and QMP are two channels, and either may be read first.
    check(
        &[Happened::Ready, reset, panic_line(), gone],
        "guest panicked",
        panic,
    );
    let event = Happened::Panic(PANIC_EVENT.to_owned());
    check(
        &[event.clone(), panic_line(), Happened::Settled],
        "guest panicked",
        panic,
    );
    check(
        &[panic_line(), event, Happened::Settled],
        "guest panicked",
        panic,
    );
    check(
        &[Happened::Ready, panic_line(), Happened::Settled],
        "guest panicked",
        panic,
    );
    check(
        &[panic_line(), exited(Exit::Code(0))],
        "guest panicked",
        panic,
    );
    check(
        &[
            Happened::Ready,
            oops_line(),
            panic_line(),
            Happened::Settled,
        ],
        "guest panicked",
        panic,
    );
    check(
        &[Happened::Ready, oops_line(), end(0, 128)],
        "guest oopsed",
        oops,
    );
    check(
        &[Happened::Ready, oops_line(), end(1, 128)],
        "guest oopsed",
        oops,
    );
    let late = Happened::Deadline(Phase::Test, LIMIT);
    check(&[Happened::Ready, oops_line(), late], "guest oopsed", oops);
    check(
        &[Happened::Ready, end(0, 512)],
        "guest oopsed",
        "tainted: kernel issued a warning",
    );
    // Proprietary, out-of-tree or forced modules are not faults.
    check(&[Happened::Ready, end(0, 4097)], "passed", "");
}

#[test]
fn unannounced_guest_end_is_not_a_verdict() {
    let check = |happened: &[Happened], cause| check(REPORT, 0, happened, "lost guest", cause);
    let off = |reason: &str, ready: &[Happened]| [ready, &off(reason)].concat();
    let ready = [Happened::Ready];
    check(
        &off("guest-reset", &[]),
        "the guest reset itself before it was ready",
    );
    check(
        &off("guest-reset", &ready),
        "the guest reset itself unexpectedly (call `leave reboot` first)",
    );
    check(
        &off("guest-shutdown", &ready),
        "the guest powered itself off unexpectedly (call `leave poweroff` first)",
    );
    check(
        &off("host-qmp-quit", &ready),
        "QEMU shut down: host-qmp-quit",
    );
    check(
        &[
            Happened::Ready,
            Happened::Reset { guest: true },
            Happened::Settled,
        ],
        "the guest reset itself unexpectedly (call `leave reboot` first)",
    );
    let closed = Happened::Unheard("the control channel closed".to_owned());
    check(
        &[Happened::Ready, closed.clone(), Happened::Settled],
        "the control channel closed",
    );
    let leaves = off("guest-reset", &[Happened::Ready, closed]);
    check(
        &leaves,
        "the guest reset itself unexpectedly (call `leave reboot` first)",
    );
    check(
        &[Happened::Stuck("QEMU paused: internal-error".to_owned())],
        "QEMU paused: internal-error",
    );
}

#[test]
fn qemu_exit_reports_progress() {
    let check = |happened: &[Happened], word, cause| check(REPORT, 0, happened, word, cause);
    check(
        &[exited(Exit::Code(1))],
        "QEMU did not start",
        "qemu: no such device",
    );
    let silent = Happened::Exited {
        how: Exit::Code(1),
        explanation: None,
        last_line: None,
    };
    check(
        &[silent],
        "QEMU did not start",
        "QEMU exited with status 1 and printed nothing",
    );
    let how = "QEMU exited with status 0: qemu: no such device";
    check(&[exited(Exit::Code(0))], "lost guest", how);
    let how = "QEMU exited with status 1: qemu: no such device";
    check(&[Happened::Ready, exited(Exit::Code(1))], "lost guest", how);
    let segv = exited(Exit::Signal(11));
    check(
        std::slice::from_ref(&segv),
        "QEMU crashed",
        "QEMU was killed by SIGSEGV",
    );
    check(
        &[Happened::Ready, segv.clone()],
        "QEMU crashed",
        "QEMU was killed by SIGSEGV",
    );
    // Also after a panic of the guest: QEMU must not crash.
    check(
        &[panic_line(), segv],
        "QEMU crashed",
        "QEMU was killed by SIGSEGV",
    );
}

#[test]
fn announced_end_needs_confirmation_by_qemu() {
    let leave = |leave, then: &[Happened]| {
        let announced = [Happened::Ready, Happened::Leaving(leave)];
        fold(ExpectedEnd::Leave(leave), 0, &[&announced, then].concat())
    };
    assert_eq!(
        leave(Leave::Poweroff, &off("guest-shutdown")),
        Outcome::Passed
    );
    assert_eq!(leave(Leave::Reboot, &off("guest-reset")), Outcome::Passed);
    assert_eq!(leave(Leave::Panic, &[panic_line()]), Outcome::Passed);
    assert_eq!(leave(Leave::Panic, &off("guest-panic")), Outcome::Passed);
    let slow = [shutdown("guest-shutdown"), Happened::Settled];
    assert_eq!(leave(Leave::Poweroff, &slow), Outcome::Passed);

    let crash = [shutdown("guest-shutdown"), exited(Exit::Signal(11))];
    assert_eq!(
        leave(Leave::Poweroff, &crash),
        Outcome::QemuCrashed {
            signal: 11,
            message: None
        }
    );
    assert_eq!(
        leave(Leave::Poweroff, &off("guest-reset")).label(),
        "lost guest"
    );
    assert_eq!(
        leave(Leave::Poweroff, &off("host-qmp-quit")).label(),
        "lost guest"
    );
    assert_eq!(
        leave(Leave::Poweroff, &[exited(Exit::Code(0))]).label(),
        "lost guest"
    );
    let panicked = [panic_line(), Happened::Settled];
    assert_eq!(leave(Leave::Poweroff, &panicked).label(), "guest panicked");
    let hangs = [Happened::Deadline(Phase::Test, LIMIT)];
    assert_eq!(leave(Leave::Poweroff, &hangs).label(), "timed out");

    let poweroff = ExpectedEnd::Leave(Leave::Poweroff);
    let ready = Happened::Ready;
    let stays = [ready.clone(), end(0, 0)];
    check(
        poweroff,
        0,
        &stays,
        "failed",
        "the test ended without calling `leave poweroff`",
    );
    let [shut, gone] = off("guest-shutdown");
    let unannounced = [ready.clone(), shut.clone(), gone.clone()];
    check(
        poweroff,
        0,
        &unannounced,
        "lost guest",
        "the guest powered itself off unexpectedly (call `leave poweroff` first)",
    );
    let leaving = Happened::Leaving(Leave::Poweroff);
    let oopsed = [
        ready.clone(),
        oops_line(),
        leaving.clone(),
        shut.clone(),
        gone.clone(),
    ];
    check(
        poweroff,
        0,
        &oopsed,
        "guest oopsed",
        "BUG: kernel NULL pointer dereference",
    );
    let cause = "the guest powered itself off after `leave poweroff`: expected a report";
    check(REPORT, 0, &[ready, leaving, shut, gone], "failed", cause);
}

#[test]
fn guest_may_reboot_as_header_allows() {
    let boot = [
        Happened::Ready,
        Happened::Leaving(Leave::Reboot),
        Happened::Reset { guest: true },
    ];
    let once = [&boot[..], &[Happened::Ready, end(0, 0)]].concat();
    check(REPORT, 1, &once, "passed", "");
    let twice = [&boot[..], &boot[..]].concat();
    let cause = "the guest reboots more often than `reboots` allows";
    check(REPORT, 1, &twice, "failed", cause);
    check(ExpectedEnd::Leave(Leave::Reboot), 1, &twice, "passed", "");
    // The announcement and the reset arrive over different sockets.
    let swapped = [boot[0].clone(), boot[2].clone(), boot[1].clone()];
    let once = [&swapped[..], &[Happened::Ready, end(0, 0)]].concat();
    check(REPORT, 1, &once, "passed", "");
    let panics = [
        Happened::Ready,
        panic_line(),
        Happened::Leaving(Leave::Panic),
    ];
    check(ExpectedEnd::Leave(Leave::Panic), 0, &panics, "passed", "");
    check(
        REPORT,
        0,
        &[&panics[..], &[Happened::Settled]].concat(),
        "guest panicked",
        "Kernel panic - not syncing: x",
    );
    let hangs = [&boot[..], &[Happened::Deadline(Phase::Boot, LIMIT)]].concat();
    check(
        REPORT,
        1,
        &hangs,
        "timed out",
        "the guest was not ready within 30 s",
    );
    let thrice = [
        &boot[..],
        &boot[2..],
        &boot[2..],
        &[Happened::Ready, end(0, 0)],
    ]
    .concat();
    check(REPORT, 1, &thrice, "passed", "");
    // A reset without an announcement is not allowed, unless it was requested over QMP.
    let crash = [
        Happened::Ready,
        Happened::Reset { guest: true },
        Happened::Settled,
    ];
    check(
        REPORT,
        1,
        &crash,
        "lost guest",
        "the guest reset itself unexpectedly (call `leave reboot` first)",
    );
    // Such a reset closes the channel before the event arrives.
    let asked = [
        Happened::Ready,
        Happened::Unheard("closed".to_owned()),
        Happened::Reset { guest: false },
        Happened::Ready,
        end(0, 0),
    ];
    check(REPORT, 1, &asked, "passed", "");
}

#[test]
fn flood_interrupt_and_early_end_have_outcomes() {
    let flood = Happened::Flood {
        channel: "console",
        limit: 64 << 20,
    };
    check(
        REPORT,
        0,
        &[flood],
        "failed",
        "console flood: more than 64 MiB",
    );
    check(
        REPORT,
        0,
        &[Happened::Interrupted],
        "not run",
        "interrupted",
    );
    let cause = "the host script ended while its guest was still running";
    check(
        REPORT,
        0,
        &[Happened::Ready, Happened::Abandoned],
        "failed",
        cause,
    );
}

#[test]
fn closed_channel_is_unexplained_until_the_reset() {
    let mut fold = Fold::new(ExpectedEnd::Report, 1);
    fold.take(&Happened::Ready);
    assert!(!fold.is_unexplained());
    fold.take(&Happened::Unheard("closed".to_owned()));
    assert!(fold.is_unexplained());
    fold.take(&Happened::Reset { guest: false });
    assert!(!fold.is_unexplained());
}
