//! Guests that migrate from one QEMU to another: two fakes, one conversation.

use std::io::BufRead as _;

use super::*;

#[path = "restored_tests.rs"]
mod restored;
#[path = "sequence_tests.rs"]
mod sequences;
#[path = "snapshot_tests.rs"]
mod snapshots;

fn policy(arrival: Arrival, handoff: &Arc<Handoff>) -> Policy {
    Policy {
        arrival,
        handoff: Arc::clone(handoff),
        ..Policy::alone(Channel::Virtio, Duration::from_secs(20))
    }
}

/// The result of a QEMU: outcome, role, and the test's output through it.
type Came = (&'static str, Part, String);

fn begin(
    arrival: Arrival,
    handoff: &Arc<Handoff>,
) -> (FakeGuest, impl FnOnce() -> (Came, String) + use<>) {
    let (mut vm, guest) = fake(Channel::Virtio);
    let policy = policy(arrival, handoff);
    let session = std::thread::spawn(move || {
        let mut notebook = Notebook::default();
        let conducted = conduct(&mut vm, &policy, &handover(), &mut notebook);
        let word = conducted.outcome.label();
        let came = (word, conducted.part, notebook.output);
        (came, conducted.outcome.cause())
    });
    (guest, move || session.join().unwrap())
}

/// The guest communicates through the other QEMU from now on.
fn migrate(from: &FakeGuest, to: &mut FakeGuest) {
    to.nonce.clone_from(&from.nonce);
    to.seq = from.seq;
}

/// What the new QEMU receives first: an end for a truncated record, then everything that may be
/// lost.
fn hear_again(guest: &mut FakeGuest) -> Vec<String> {
    let mut line = String::new();
    guest.control.read_line(&mut line).unwrap();
    assert_eq!(line, "\n");
    ["put", "set", "run"].map(|_| guest.hear().0).to_vec()
}

#[test]
fn guest_continues_in_the_migration_target() {
    let handoff = Arc::default();
    let (mut source, source_end) = begin(Arrival::Boot, &handoff);
    let (mut destination, end) = begin(Arrival::Migration, &handoff);
    source.boots();
    source.say("out", "one\n");
    // A record that is split by the migration.
    let cut = Record {
        nonce: source.nonce.clone(),
        seq: 2,
        kind: "out".to_owned(),
        payload: b"two\n".to_vec(),
    };
    let cut = cut.encode();
    source.seq = 2;
    source.bytes(cut[..20].to_vec());
    migrate(&source, &mut destination);
    destination.bytes(cut[20..].to_vec());
    destination.say("out", "three\n");
    assert_eq!(hear_again(&mut destination), ["put", "set", "run"]);
    destination.say("call", "1 query");
    assert_eq!(destination.hear().0, "reply");
    destination.say("end", "0 0");
    let came = ("passed", Part::Last, "two\nthree\n".to_owned());
    assert_eq!(end().0, came);
    // The test does not end the first QEMU. The runner does when the guest has ended.
    let came = ("passed", Part::Passage, "one\n".to_owned());
    assert_eq!(source_end().0, came);
}

#[test]
fn guest_records_after_migration_count() {
    let handoff = Arc::default();
    let (mut source, source_end) = begin(Arrival::Boot, &handoff);
    let (mut destination, end) = begin(Arrival::Migration, &handoff);
    source.boots();
    migrate(&source, &mut destination);
    destination.say("out", "lost a page\n");
    destination.say("end", "1 0");
    assert_eq!(end().1, "exit status 1, last line: lost a page");
    assert_eq!(source_end().0.1, Part::Passage);
}

#[test]
fn guest_dying_in_migration_is_identified() {
    let handoff = Arc::default();
    let (mut source, source_end) = begin(Arrival::Boot, &handoff);
    let (destination, end) = begin(Arrival::Migration, &handoff);
    source.boots();
    destination.console("[    0.300000] Kernel panic - not syncing: lost\r\n");
    assert_eq!(end().0.0, "guest panicked");
    assert_eq!(source_end().0.0, "passed");
}

#[test]
fn guest_in_file_resumes_or_is_lost() {
    let handoff = Arc::default();
    let (mut source, source_end) = begin(Arrival::Boot, &handoff);
    source.boots();
    source.qmp("STOP", json!({}));
    source.qmp(
        "SHUTDOWN",
        json!({"guest": false, "reason": "host-qmp-quit"}),
    );
    source.exits(Exit::Code(0));
    assert_eq!(source_end().0.1, Part::Passage);
    assert!(handoff.is_open());
    let (mut destination, end) = begin(Arrival::Migration, &handoff);
    migrate(&source, &mut destination);
    destination.say("end", "0 0");
    assert_eq!(end().0.1, Part::Last);
    assert!(!handoff.is_open());
}

#[test]
fn lost_reply_is_resent_after_migration() {
    let handoff = Arc::default();
    let (mut source, source_end) = begin(Arrival::Boot, &handoff);
    let (mut destination, end) = begin(Arrival::Migration, &handoff);
    source.boots();
    source.say("call", "1 query");
    let lost = source.hear();
    source.qmp("STOP", json!({}));
    migrate(&source, &mut destination);
    // It waits for that answer and sends nothing before.
    destination.qmp("RESUME", json!({}));
    hear_again(&mut destination);
    assert_eq!(destination.hear(), lost);
    destination.say("end", "0 0");
    assert_eq!(end().0.1, Part::Last);
    assert_eq!(source_end().0.1, Part::Passage);
}

#[test]
fn guest_migrating_during_boot_says_hello() {
    let handoff = Arc::default();
    let (_source, source_end) = begin(Arrival::Boot, &handoff);
    let (mut destination, end) = begin(Arrival::Migration, &handoff);
    assert_eq!(destination.boots()[0], ("start".to_owned(), "0".to_owned()));
    destination.say("end", "0 0");
    assert_eq!(end().0.1, Part::Last);
    assert_eq!(source_end().0.1, Part::Passage);
}

#[test]
fn vacated_qemu_may_quit_but_not_crash() {
    for (exit, word) in [
        (Exit::Code(0), "passed"),
        (Exit::Code(1), "lost guest"),
        (Exit::Signal(11), "QEMU crashed"),
    ] {
        let handoff = Arc::default();
        let (mut source, source_end) = begin(Arrival::Boot, &handoff);
        let (mut destination, end) = begin(Arrival::Migration, &handoff);
        source.boots();
        migrate(&source, &mut destination);
        destination.say("out", "here\n");
        hear_again(&mut destination);
        source.exits(exit);
        assert_eq!(source_end().0.0, word);
        destination.say("end", "0 0");
        assert_eq!(end().0.0, "passed");
    }
}

#[test]
fn waiting_qemu_may_quit() {
    for (exit, word) in [(0, "passed"), (1, "QEMU did not start")] {
        let handoff = Arc::default();
        let (destination, end) = begin(Arrival::Migration, &handoff);
        destination.qmp(
            "SHUTDOWN",
            json!({"guest": false, "reason": "host-qmp-quit"}),
        );
        destination.exits(Exit::Code(exit));
        assert_eq!(end().0.0, word);
    }
}
