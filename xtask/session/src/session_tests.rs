//! Fake guests: a thread acts as QEMU and init over a socket pair like the real ones.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};

use proptest::prelude::*;
use qemu::RawEvent;
use serde_json::{Value, json};
use suite::header::{Channel, ExpectedEnd, Leave};

use super::*;
use crate::protocol::Record;

#[path = "migration_tests.rs"]
mod migration;
#[path = "reboot_tests.rs"]
mod reboots;

/// The runner's end of a fake.
struct FakeVm {
    events: mpsc::Receiver<VmEvent>,
    queue: mpsc::Sender<VmEvent>,
    control: UnixStream,
}

impl Guest for FakeVm {
    fn next(&mut self, until: Instant) -> Option<VmEvent> {
        let left = until.saturating_duration_since(monotonic());
        match self.events.recv_timeout(left) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // The fake has sent everything and hangs.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::park_timeout(until.saturating_duration_since(monotonic()));
                None
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.control
            .write_all(bytes)
            .map_err(|error| error.to_string())
    }

    fn waker(&self) -> Waker {
        let queue = self.queue.clone();
        Arc::new(move || drop(queue.send(VmEvent::Woken)))
    }

    fn finish_reading(&mut self, port: Port) -> Result<(), String> {
        self.queue
            .send(VmEvent::Ended(port))
            .map_err(|error| error.to_string())
    }
}

/// The guest's end.
struct FakeGuest {
    events: mpsc::Sender<VmEvent>,
    control: BufReader<UnixStream>,
    on_console: bool,
    nonce: String,
    seq: u64,
}

impl FakeGuest {
    fn event(&self, event: VmEvent) {
        let _ = self.events.send(event);
    }

    fn bytes(&self, bytes: Vec<u8>) {
        self.event(if self.on_console {
            VmEvent::Console(bytes)
        } else {
            VmEvent::Control(bytes)
        });
    }

    fn console(&self, text: &str) {
        self.event(VmEvent::Console(text.as_bytes().to_vec()));
    }

    fn qmp(&self, name: &str, data: Value) {
        self.event(VmEvent::Qmp(QemuEvent::from(&RawEvent {
            name: name.to_owned(),
            data,
            micros: 0,
        })));
    }

    fn exits(&self, exit: Exit) {
        self.event(VmEvent::Exited(exit));
    }

    fn record(&mut self, nonce: &str, seq: u64, kind: &str, payload: &str) {
        let (nonce, kind) = (nonce.to_owned(), kind.to_owned());
        let payload = payload.as_bytes().to_vec();
        self.bytes(
            Record {
                nonce,
                seq,
                kind,
                payload,
            }
            .encode(),
        );
    }

    fn say(&mut self, kind: &str, payload: &str) {
        self.seq += 1;
        self.record(&self.nonce.clone(), self.seq, kind, payload);
    }

    /// The next record from the runner.
    fn hear(&mut self) -> (String, String) {
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        let record = Record::parse(line.trim_end_matches('\n').as_bytes()).unwrap();
        if record.kind == "start" {
            self.nonce = record.nonce;
            self.seq = 0;
        }
        (record.kind, String::from_utf8(record.payload).unwrap())
    }

    /// Sends hello, receives the test, and returns it.
    fn boots(&mut self) -> Vec<(String, String)> {
        self.record("-", 1, "hello", "1 6.12.95");
        let mut heard = Vec::new();
        while heard
            .last()
            .is_none_or(|(kind, _): &(String, String)| kind != "run")
        {
            heard.push(self.hear());
        }
        heard
    }
}

#[derive(Default)]
struct Notebook {
    output: String,
    console: String,
    notes: Vec<String>,
    stop: Option<Happened>,
}

impl Host for Notebook {
    fn output(&mut self, bytes: &[u8]) {
        self.output += &String::from_utf8_lossy(bytes);
    }

    fn console(&mut self, bytes: &[u8]) {
        self.console += &String::from_utf8_lossy(bytes);
    }

    fn control(&mut self, _bytes: &[u8]) {}

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn call(&mut self, call: &Call, _: &Arc<Replies>) -> Option<(i32, String)> {
        Some((0, format!("{} {:?}\n", call.word, call.args)))
    }

    fn stop(&mut self) -> Option<Happened> {
        self.stop.clone()
    }
}

fn policy() -> Policy {
    Policy::alone(Channel::Virtio, Duration::from_secs(20))
}

/// Short limits for guests that reach them.
fn short() -> Policy {
    let limit = Duration::from_millis(20);
    Policy {
        boot_limit: limit,
        test_limit: limit,
        ..policy()
    }
}

fn play(
    policy: &Policy,
    guest: impl FnOnce(&mut FakeGuest) + Send + 'static,
) -> (Outcome, Notebook) {
    let mut notebook = Notebook::default();
    let outcome = play_with(policy, &mut notebook, guest);
    (outcome, notebook)
}

fn play_with(
    policy: &Policy,
    notebook: &mut Notebook,
    guest: impl FnOnce(&mut FakeGuest) + Send + 'static,
) -> Outcome {
    let (mut vm, mut fake) = fake(policy.channel);
    let player = std::thread::spawn(move || {
        guest(&mut fake);
        // Its channel stays open, because a hanging guest does not close it.
        fake
    });
    let conducted = conduct(&mut vm, policy, &handover(), notebook);
    drop(vm);
    player.join().unwrap();
    conducted.outcome
}

fn handover() -> Handover {
    Handover {
        files: vec![("/kiln/test".to_owned(), 0o755, b"echo 1\n".to_vec())],
        environment: vec![("KILN_ARCH".to_owned(), "x86_64".to_owned())],
        run: "/kiln/run".to_owned(),
    }
}

/// Both ends of a fake QEMU.
fn fake(channel: Channel) -> (FakeVm, FakeGuest) {
    let (near, far) = UnixStream::pair().unwrap();
    let (sender, events) = mpsc::channel();
    let guest = FakeGuest {
        events: sender.clone(),
        control: BufReader::new(far),
        on_console: channel == Channel::Console,
        nonce: String::new(),
        seq: 0,
    };
    let vm = FakeVm {
        events,
        queue: sender,
        control: near,
    };
    (vm, guest)
}

fn check(
    policy: &Policy,
    word: &str,
    cause: &str,
    guest: impl FnOnce(&mut FakeGuest) + Send + 'static,
) -> Notebook {
    let (outcome, notebook) = play(policy, guest);
    assert_eq!((outcome.label(), outcome.cause().as_str()), (word, cause));
    notebook
}

#[test]
fn test_is_handed_over_and_its_result_accepted() {
    let notebook = check(&policy(), "passed", "", |guest| {
        guest.console("[    0.1] Linux version 6.12.95\r\n");
        let handed = guest.boots();
        let expect = [
            ("start", "0"),
            ("put", "/kiln/test 755\u{1f}echo 1\n"),
            ("set", "KILN_ARCH=x86_64"),
            ("run", "/kiln/run"),
        ];
        assert_eq!(
            handed,
            expect.map(|(kind, text)| (kind.to_owned(), text.to_owned()))
        );
        // A hello that was in transit when the first one was answered.
        guest.record("-", 1, "hello", "1 6.12.95");
        guest.say("out", "one\n");
        guest.say("call", "1 qmp\u{1f}query-status");
        let reply = (
            "reply".to_owned(),
            "1 0 qmp [\"query-status\"]\n".to_owned(),
        );
        assert_eq!(guest.hear(), reply);
        guest.say("out", "two\n");
        guest.say("end", "0 0");
    });
    assert_eq!(notebook.output, "one\ntwo\n");
    assert_eq!(notebook.console, "[    0.1] Linux version 6.12.95\r\n");
    assert_eq!(notebook.notes, [""; 0]);
}

#[test]
fn the_console_carries_the_same_records() {
    let policy = Policy {
        channel: Channel::Console,
        ..policy()
    };
    let notebook = check(&policy, "failed", "exit status 1, last line: no", |guest| {
        guest.console("[    0.1] noise without an end\n");
        guest.boots();
        guest.console("[    0.900000] @kiln of all things\n@kiln of one thing\n");
        guest.say("out", "no\n");
        guest.say("end", "1 0");
    });
    assert_eq!(notebook.output, "no\n");
    assert_eq!(notebook.notes.len(), 1, "{:?}", notebook.notes);
}

#[test]
fn reason_from_test_becomes_the_cause() {
    check(&policy(), "skipped", "no \"NUMA\" here", |guest| {
        guest.boots();
        guest.say("call", "1 skip\u{1f}no \"NUMA\"\u{1b}[1m here");
        assert_eq!(guest.hear().1, "1 0 ");
        guest.say("end", "77 0");
    });
    check(&policy(), "failed", "wrong size", |guest| {
        guest.boots();
        guest.say("call", "1 fail\u{1f}wrong size");
        guest.hear();
        guest.say("end", "1 0");
    });
}

#[test]
fn hanging_guest_ends_at_its_limit() {
    check(
        &Policy {
            boot_limit: short().boot_limit,
            ..policy()
        },
        "timed out",
        "the guest was not ready within 0.02 s",
        |guest| {
            guest.console("[    0.1] Linux version\n");
        },
    );
    check(
        // It boots in its own time, also on a busy host.
        &Policy {
            test_limit: short().test_limit,
            ..policy()
        },
        "timed out",
        "the test did not end within 0.02 s",
        |guest| {
            guest.boots();
        },
    );
}

#[test]
fn guest_stopped_by_its_disk_has_a_note() {
    let policy = Policy {
        test_limit: short().test_limit,
        ..policy()
    };
    let error = json!({"node-name": "disk", "operation": "write", "action": "stop", "reason": "No space left on device"});
    let run = |resumes: bool| {
        let error = error.clone();
        let limit = "the test did not end within 0.02 s";
        check(&policy, "timed out", limit, move |guest| {
            guest.qmp("BLOCK_IO_ERROR", error);
            guest.qmp("STOP", json!({}));
            if resumes {
                guest.qmp("RESUME", json!({}));
            }
            // Last, because the limit of the test begins now.
            guest.boots();
        })
        .notes
    };
    let note = "QEMU stopped the guest because a write of `disk` failed: No space left on device";
    assert_eq!(run(false), [note]);
    assert_eq!(run(true), [""; 0]);
}

#[test]
fn panic_and_oops_use_kernel_messages() {
    let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs";
    check(&policy(), "guest panicked", panic, |guest| {
        guest
            .console("[    0.300000] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n");
        guest.qmp("SHUTDOWN", json!({"guest": true, "reason": "guest-reset"}));
    });
    // Without a report from QEMU its last output is awaited for a limited time.
    let notebook = check(&policy(), "guest panicked", panic, |guest| {
        guest.boots();
        guest
            .console("[    0.300000] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n");
        guest.console("[    0.300000] Rebooting\n");
    });
    assert!(notebook.console.ends_with("Rebooting\n"));
    check(
        &policy(),
        "guest oopsed",
        "tainted: kernel died recently",
        |guest| {
            guest.boots();
            guest.say("end", "0 128");
        },
    );
    check(
        &policy(),
        "guest panicked",
        "QEMU reports that the guest panicked",
        |guest| {
            guest.boots();
            guest.qmp("GUEST_PANICKED", json!({"action": "shutdown"}));
            guest.qmp("SHUTDOWN", json!({"guest": true, "reason": "guest-panic"}));
        },
    );
}

#[test]
fn survivable_panic_does_not_decide() {
    check(&policy(), "passed", "", |guest| {
        guest.boots();
        guest.qmp("GUEST_PANICKED", json!({"action": "run"}));
        guest.say("end", "0 0");
    });
}

#[test]
fn slow_guest_passes_and_lockup_is_noted() {
    let notebook = check(&policy(), "passed", "", |guest| {
        guest.boots();
        guest.console(
            "[   40.1] \r\n[   41.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!\r\n",
        );
        guest.say("end", "0 16384");
    });
    assert_eq!(
        notebook.notes,
        ["watchdog: BUG: soft lockup - CPU#0 stuck for 22s!"]
    );
}

#[test]
fn forged_records_are_noted_and_test_fails() {
    let notebook = check(&policy(), "failed", "exit status 3", |guest| {
        guest.record("-", 1, "end", "0 0");
        guest.boots();
        guest.record(&"0".repeat(32), 1, "end", "0 0");
        guest.record("-", 2, "end", "0 0");
        guest.bytes(b"end 0 0\n@kiln end 0 0\n".to_vec());
        guest.console("@kiln - 1 end 00000000 0 0\nPASS\n");
        guest.say("out", "");
        let seq = guest.seq;
        guest.record(&guest.nonce.clone(), seq, "end", "0 0");
        guest.say("end", "3 0");
    });
    assert_eq!(notebook.notes.len(), 6, "{:#?}", notebook.notes);
}

#[test]
fn flood_ends_session_and_notes_are_limited() {
    check(
        &policy(),
        "failed",
        "console flood: more than 64 MiB",
        |guest| {
            let piece = vec![b'x'; 1 << 20];
            while guest.events.send(VmEvent::Console(piece.clone())).is_ok() {}
        },
    );
    let notebook = check(&policy(), "passed", "", |guest| {
        guest.boots();
        for _ in 0..1000 {
            guest.bytes(b"garbage\n".to_vec());
        }
        guest.say("end", "0 0");
    });
    assert_eq!(notebook.notes.len(), NOTES_MAX);
}

#[test]
fn qemu_exit_is_classified_by_time_and_kind() {
    check(
        &policy(),
        "QEMU did not start",
        "qemu: no such machine",
        |guest| {
            guest.event(VmEvent::Stderr("qemu: no such machine".to_owned()));
            guest.event(VmEvent::Stderr(String::new()));
            guest.exits(Exit::Code(1));
        },
    );
    check(
        &policy(),
        "QEMU crashed",
        "QEMU was killed by SIGSEGV",
        |guest| {
            guest.boots();
            guest.exits(Exit::Signal(11));
        },
    );
    check(
        &policy(),
        "lost guest",
        "QEMU exited with status 0",
        |guest| {
            guest.boots();
            guest.exits(Exit::Code(0));
        },
    );
    let broken = "KVM internal error. Suberror: 1";
    check(&policy(), "lost guest", broken, move |guest| {
        guest.event(VmEvent::Stderr(broken.to_owned()));
        guest.qmp("STOP", json!({}));
    });
    check(
        &policy(),
        "lost guest",
        "the guest reset itself unexpectedly (call `leave reboot` first)",
        |guest| {
            guest.boots();
            guest.qmp("SHUTDOWN", json!({"guest": true, "reason": "guest-reset"}));
        },
    );
    let closed = "the guest closed the control channel before the end of the test";
    check(&policy(), "lost guest", closed, |guest| {
        guest.boots();
        guest.qmp("VSERPORT_CHANGE", json!({"id": "kiln-port", "open": false}));
        guest.qmp("VSERPORT_CHANGE", json!({"id": "other", "open": false}));
    });
}

#[test]
fn an_announced_end_passes_when_qemu_confirms_it() {
    for (leave, event) in [
        (
            Leave::Poweroff,
            json!({"guest": true, "reason": "guest-shutdown"}),
        ),
        (
            Leave::Reboot,
            json!({"guest": true, "reason": "guest-reset"}),
        ),
    ] {
        let policy = Policy {
            ends: ExpectedEnd::Leave(leave),
            ..policy()
        };
        check(&policy, "passed", "", move |guest| {
            guest.boots();
            guest.say("leaving", leave.label());
            guest.qmp("SHUTDOWN", event);
        });
    }
    let policy = Policy {
        ends: ExpectedEnd::Leave(Leave::Panic),
        ..policy()
    };
    check(&policy, "passed", "", |guest| {
        guest.boots();
        guest.say("leaving", "panic");
        guest.console("[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n");
    });
}

#[test]
fn session_stops_with_the_run() {
    for (stop, word) in [
        (Happened::Interrupted, "not run"),
        (Happened::Abandoned, "failed"),
    ] {
        let mut notebook = Notebook {
            stop: Some(stop),
            ..Notebook::default()
        };
        assert_eq!(play_with(&policy(), &mut notebook, |_| {}).label(), word);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn arbitrary_guest_bytes_never_pass(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (outcome, _) = play(&policy(), move |guest| {
            guest.boots();
            guest.bytes(bytes.clone());
            guest.bytes([b"\n@kiln ", &bytes[..], b"\n"].concat());
            guest.exits(Exit::Code(0));
        });
        prop_assert_eq!(outcome.label(), "lost guest");
    }
}
