//! Guests that return to a snapshot in the middle of their test.

use super::sequences::Monitor;
use super::*;

/// Runs a guest with a monitor. Returns its outcome, its notes and its output.
fn play(
    reboots: u32,
    guest: impl FnOnce(&mut FakeGuest, &Monitor) + Send + 'static,
) -> (&'static str, Vec<String>, String) {
    let (mut vm, mut fake) = fake(Channel::Virtio);
    let policy = Policy {
        reboots,
        ..super::policy(Arrival::Boot, &Arc::default())
    };
    let monitor = Monitor::new(RunState::Running);
    let (mut host, theirs) = (monitor.clone(), monitor.clone());
    let player = std::thread::spawn(move || {
        guest(&mut fake, &theirs);
        fake
    });
    let conducted = conduct(&mut vm, &policy, &handover(), &mut host);
    drop(vm);
    player.join().unwrap();
    let notes = monitor.notes.lock().unwrap().clone();
    let output = monitor.output.lock().unwrap().clone();
    (conducted.outcome.label(), notes, output)
}

fn command(monitor: &Monitor, command: SnapshotCommand) {
    monitor.snapshots.lock().unwrap().push(command);
}

/// QEMU's events for `savevm`. Returns the number of the guest's latest record.
fn save(guest: &FakeGuest, monitor: &Monitor) -> u64 {
    command(monitor, SnapshotCommand::Save);
    guest.qmp("STOP", json!({}));
    guest.qmp("RESUME", json!({}));
    guest.seq
}

/// QEMU's events for `loadvm`: the reset closes the port, and the loaded state opens it.
fn load(guest: &mut FakeGuest, monitor: &Monitor, seq: u64) {
    command(monitor, SnapshotCommand::Load);
    guest.qmp("STOP", json!({}));
    for open in [false, true] {
        guest.qmp("VSERPORT_CHANGE", json!({"id": "kiln-port", "open": open}));
    }
    guest.qmp("RESUME", json!({}));
    guest.seq = seq;
}

/// What a guest receives after it returned to a snapshot: possibly lost records, and answers that
/// it may wait for.
fn hear_after_load(guest: &mut FakeGuest, answers: &[&str]) {
    assert_eq!(hear_again(guest), ["put", "set", "run"]);
    for answer in answers {
        assert_eq!(guest.hear(), ("reply".to_owned(), (*answer).to_owned()));
    }
}

#[test]
fn guest_restored_three_times_passes() {
    let (word, notes, output) = play(0, |guest, monitor| {
        guest.boots();
        guest.say("out", "start\n");
        let seq = save(guest, monitor);
        for _ in 0..3 {
            guest.say("out", "a\n");
            guest.say("out", "b\n");
            load(guest, monitor, seq);
            hear_after_load(guest, &[]);
        }
        // A shorter path than before.
        guest.say("end", "0 0");
    });
    assert_eq!((word, notes), ("passed", Vec::new()));
    assert_eq!(output, "start\na\nb\na\nb\na\nb\n");
}

#[test]
fn numbers_go_back_once_per_load_to_snapshot() {
    let (word, notes, _) = play(0, |guest, monitor| {
        guest.boots();
        guest.say("out", "1\n");
        // Its answer shows that everything before was processed.
        guest.say("call", "1 query");
        guest.hear();
        let seq = save(guest, monitor);
        for text in ["3\n", "4\n", "5\n"] {
            guest.say("out", text);
        }
        let nonce = guest.nonce.clone();
        load(guest, monitor, seq);
        guest.record(&"0".repeat(32), 3, "end", "0 0");
        guest.record("-", 3, "end", "0 0");
        guest.record(&nonce, 2, "end", "0 0");
        guest.say("out", "3\n");
        guest.record(&nonce, 3, "end", "0 0");
        guest.record("-", 1, "hello", "1 6.12");
        guest.say("end", "3 0");
    });
    assert_eq!(word, "failed");
    assert_eq!(notes.len(), 4, "{notes:#?}");
}

#[test]
fn records_from_before_the_load_may_arrive_late() {
    let (word, notes, output) = play(0, |guest, monitor| {
        guest.boots();
        let seq = save(guest, monitor);
        guest.say("out", "a\n");
        let (nonce, late) = (guest.nonce.clone(), guest.seq + 1);
        load(guest, monitor, seq);
        guest.record(&nonce, late, "out", "late\n");
        // The load truncates this one.
        guest.bytes(format!("@kiln {nonce} {} out 00", late + 1).into_bytes());
        guest.say("out", "b\n");
        guest.say("end", "0 0");
    });
    assert_eq!((word, notes), ("passed", Vec::new()));
    assert_eq!(output, "a\nlate\nb\n");
}

#[test]
fn answers_awaited_by_snapshot_are_sent_again() {
    let (word, ..) = play(0, |guest, monitor| {
        guest.boots();
        guest.say("call", "1 before");
        let seq = save(guest, monitor);
        assert_eq!(guest.hear().1, "1 0 before\n");
        // Discarded: it is not the answer to the second call of the other timeline.
        guest.say("call", "2 undone");
        assert_eq!(guest.hear().1, "2 0 undone\n");
        load(guest, monitor, seq);
        hear_after_load(guest, &["1 0 before\n"]);
        guest.say("call", "2 after");
        assert_eq!(guest.hear().1, "2 0 after\n");
        guest.say("end", "0 0");
    });
    assert_eq!(word, "passed");
}

#[test]
fn guest_restored_into_its_boot_gets_test_again() {
    let (word, ..) = play(0, |guest, monitor| {
        save(guest, monitor);
        guest.boots();
        let first = guest.nonce.clone();
        guest.say("out", "a\n");
        load(guest, monitor, 0);
        hear_after_load(guest, &[]);
        assert_eq!(guest.boots()[0], ("start".to_owned(), "0".to_owned()));
        assert_ne!(guest.nonce, first);
        guest.say("end", "0 0");
    });
    assert_eq!(word, "passed");
}

#[test]
fn port_closing_late_after_load_keeps_guest() {
    let (word, ..) = play(0, |guest, monitor| {
        guest.boots();
        let seq = save(guest, monitor);
        load(guest, monitor, seq);
        // QEMU limits the rate of these events: they may arrive a second after the load.
        guest.qmp("VSERPORT_CHANGE", json!({"id": "kiln-port", "open": false}));
        std::thread::park_timeout(SETTLE + TICK);
        guest.say("end", "0 0");
    });
    assert_eq!(word, "passed");
}
