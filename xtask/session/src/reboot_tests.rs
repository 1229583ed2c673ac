//! Guests that reboot in the middle of their test.

use super::*;

#[test]
fn rebooted_guest_gets_new_nonce_and_test() {
    let policy = Policy {
        reboots: 1,
        ..policy()
    };
    let notebook = check(&policy, "passed", "", |guest| {
        assert_eq!(guest.boots()[0].1, "0");
        let first = guest.nonce.clone();
        guest.say("leaving", "reboot");
        guest.qmp("RESET", json!({"guest": true, "reason": "guest-reset"}));
        assert_eq!(guest.boots()[0].1, "1");
        assert_ne!(guest.nonce, first);
        guest.record(&first, 9, "end", "1 0");
        guest.say("end", "0 0");
    });
    assert_eq!(notebook.notes.len(), 1);
}

#[test]
fn announced_reboot_by_kexec_needs_no_reset() {
    let policy = |reboots| Policy {
        reboots,
        ..policy()
    };
    check(&policy(1), "passed", "", |guest| {
        guest.boots();
        let first = guest.nonce.clone();
        guest.say("leaving", "reboot");
        // The first hello gets no answer: a reset may have preceded it.
        guest.record("-", 1, "hello", "1 6.12");
        assert_eq!(guest.boots()[0].1, "1");
        assert_ne!(guest.nonce, first);
        guest.say("end", "0 0");
    });
    // The event of a reset arrives after the hello that followed it.
    check(&policy(1), "passed", "", |guest| {
        guest.boots();
        guest.say("leaving", "reboot");
        guest.record("-", 1, "hello", "1 6.12");
        guest.qmp("RESET", json!({"guest": true, "reason": "guest-reset"}));
        assert_eq!(guest.boots()[0].1, "1");
        guest.say("end", "0 0");
    });
    // Without an announcement a further hello is late, or from another process.
    check(&policy(1), "passed", "", |guest| {
        guest.boots();
        guest.record("-", 1, "hello", "1 6.12");
        guest.record("-", 1, "hello", "1 6.12");
        guest.say("end", "0 0");
    });
}

#[test]
fn host_reset_may_close_the_channel() {
    let policy = Policy {
        reboots: 1,
        ..policy()
    };
    check(&policy, "passed", "", |guest| {
        guest.boots();
        guest.qmp("VSERPORT_CHANGE", json!({"id": "kiln-port", "open": false}));
        guest.qmp(
            "RESET",
            json!({"guest": false, "reason": "host-qmp-system-reset"}),
        );
        std::thread::park_timeout(SETTLE + TICK);
        assert_eq!(guest.boots()[0].1, "1");
        guest.say("end", "0 0");
    });
}
