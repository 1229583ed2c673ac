//! Guests that were restored from a template: the test starts without a hello.

use super::*;
use crate::protocol::Nonce;

fn restored() -> (Policy, Nonce) {
    let nonce = Nonce::from_bytes([7; 16]);
    let arrival = Arrival::Restored(nonce.clone());
    (policy(arrival, &Arc::default()), nonce)
}

/// Receives everything that a restored guest is sent.
fn hear_all(guest: &mut FakeGuest) -> Vec<String> {
    ["clock", "put", "set", "run"]
        .map(|_| guest.hear().0)
        .to_vec()
}

#[test]
fn restored_guest_gets_the_clock_and_the_test() {
    let (policy, nonce) = restored();
    let (outcome, notebook) = play(&policy, move |guest| {
        // Its answer to `resume` was the first record.
        (guest.nonce, guest.seq) = (nonce.as_str().to_owned(), 1);
        assert_eq!(hear_all(guest), ["clock", "put", "set", "run"]);
        guest.say("out", "done\n");
        guest.say("end", "0 0");
    });
    assert_eq!(
        (outcome, notebook.output.as_str()),
        (Outcome::Passed, "done\n")
    );
    assert_eq!(notebook.notes, Vec::<String>::new());
}

#[test]
fn restored_guest_with_an_old_nonce_is_ignored() {
    let (policy, _) = restored();
    let policy = Policy {
        test_limit: Duration::from_millis(50),
        ..policy
    };
    let (outcome, notebook) = play(&policy, move |guest| {
        guest.nonce = Nonce::from_bytes([8; 16]).as_str().to_owned();
        hear_all(guest);
        guest.say("end", "0 0");
    });
    assert_eq!(outcome.label(), "timed out");
    assert!(notebook.notes[0].starts_with("a record with a wrong nonce"));
}

#[test]
fn restored_guest_may_reboot_as_any_other() {
    let (policy, nonce) = restored();
    let policy = Policy {
        reboots: 1,
        ..policy
    };
    let (outcome, _) = play(&policy, move |guest| {
        (guest.nonce, guest.seq) = (nonce.as_str().to_owned(), 1);
        hear_all(guest);
        guest.say("leaving", "reboot");
        guest.qmp("RESET", json!({"guest": true, "reason": "guest-reset"}));
        let heard = guest.boots();
        assert_eq!(heard[0], ("start".to_owned(), "1".to_owned()));
        guest.say("end", "0 0");
    });
    assert_eq!(outcome, Outcome::Passed);
}
