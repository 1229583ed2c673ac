//! Communicates with a guest before it is saved, and after it was restored.

use host::clock::monotonic;
use host::test_time::Deadline;
use host::wait::Countdown as _;
use qemu::VmEvent;
use qemu::last_words::LastWords;
use session::protocol::{FromGuest, Nonce, Received, Receiver, Resume, Sender, Sharing};
use session::{Guest, TICK};

/// A restored guest that has answered.
#[derive(Debug)]
pub struct Resumed {
    /// The nonce of all its records.
    pub nonce: Nonce,
    /// What the console printed meanwhile, for the log.
    pub console: Vec<u8>,
    /// What the control channel brought meanwhile, for the log.
    pub control: Vec<u8>,
}

/// Waits for the hello of a booting guest. Returns whether it can be saved and restored.
pub(super) fn hello(guest: &mut dyn Guest, until: &Deadline) -> Result<bool, String> {
    let mut listener = Listener::new(None);
    listener.wait(guest, until, "did not send hello", |record| match record {
        FromGuest::Hello { resumes, .. } => Some(Ok(*resumes)),
        _ => None,
    })
}

/// Prepares a guest to be saved under a name.
pub(super) fn prepare(
    guest: &mut dyn Guest,
    id: &Nonce,
    command: &str,
    until: &Deadline,
) -> Result<(), String> {
    guest.send(&Sender::new(id.clone()).prepare(command))?;
    let mut listener = Listener::new(Some(id.clone()));
    listener.wait(guest, until, "did not prepare", |record| match record {
        FromGuest::Prepared { status: 0 } => Some(Ok(())),
        FromGuest::Prepared { status } => Some(Err(format!(
            "what the guest runs before it is saved ended with status {status}"
        ))),
        _ => None,
    })
}

/// Sends a nonce to a restored guest, and waits for its answer.
pub(super) fn resume(
    guest: &mut dyn Guest,
    nonce: Nonce,
    resume: &Resume<'_>,
    until: &Deadline,
) -> Result<Resumed, String> {
    guest.send(&Sender::new(nonce.clone()).resume(resume))?;
    let mut listener = Listener::new(Some(nonce.clone()));
    let silent = "did not answer with the nonce of this start";
    listener.wait(guest, until, silent, |record| match record {
        FromGuest::Resumed { template, .. } if template != resume.template => {
            Some(Err("another guest than the saved one answered".to_owned()))
        }
        FromGuest::Resumed { status: 0, .. } => Some(Ok(())),
        FromGuest::Resumed { .. } => Some(Err(
            "the restored guest failed to take in its devices".to_owned()
        )),
        _ => None,
    })?;
    Ok(Resumed {
        nonce,
        console: listener.console,
        control: listener.control,
    })
}

/// Runs a script in a restored guest without a test.
pub(super) fn run(
    guest: &mut dyn Guest,
    nonce: Nonce,
    script: &str,
    until: &Deadline,
) -> Result<(), String> {
    let mut sender = Sender::resumed(nonce.clone());
    guest.send(&sender.put(SCRIPT, 0o755, script.as_bytes()))?;
    guest.send(&sender.run(SCRIPT))?;
    let mut listener = Listener::new(None);
    listener.receiver.expect_resumed(nonce);
    let silent = "did not end a script";
    listener.wait(guest, until, silent, |record| match record {
        FromGuest::End { status: 0, .. } => Some(Ok(())),
        FromGuest::End { status, .. } => Some(Err(format!(
            "a script in the guest ended with status {status}"
        ))),
        _ => None,
    })
}

/// The path of the script in the guest.
const SCRIPT: &str = "/kiln/trial";

/// Handles the events of a guest without a test.
struct Listener {
    receiver: Receiver,
    console: Vec<u8>,
    control: Vec<u8>,
    words: LastWords,
}

impl Listener {
    fn new(nonce: Option<Nonce>) -> Self {
        let mut receiver = Receiver::new(Sharing::Own);
        if let Some(nonce) = nonce {
            receiver.expect(nonce);
        }
        Self {
            receiver,
            console: Vec::new(),
            control: Vec::new(),
            words: LastWords::default(),
        }
    }

    /// Waits for a record that `decide` accepts.
    fn wait<T>(
        &mut self,
        guest: &mut dyn Guest,
        until: &Deadline,
        silent: &str,
        decide: impl Fn(&FromGuest) -> Option<Result<T, String>>,
    ) -> Result<T, String> {
        loop {
            if host::interrupt::received().is_some() {
                return Err("interrupted".to_owned());
            }
            let left = until.left();
            if left.is_zero() {
                return Err(format!("the guest {silent} in time"));
            }
            match guest.next(monotonic() + TICK.min(left)) {
                Some(VmEvent::Control(bytes)) => {
                    self.control.extend(&bytes);
                    for received in self.receiver.take(&bytes) {
                        let Received::Record(record) = received else {
                            continue;
                        };
                        if let Some(decision) = decide(&record) {
                            return decision;
                        }
                    }
                }
                Some(VmEvent::Console(bytes)) => self.console.extend(bytes),
                Some(VmEvent::Stderr(line)) => self.words.take(&line),
                Some(VmEvent::Exited(exit)) => {
                    let words = self.words.best().map(|line| format!(": {line}"));
                    return Err(format!(
                        "QEMU ended with {exit}{}",
                        words.unwrap_or_default()
                    ));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use qemu::Exit;
    use qemu::vm::Port;

    use super::*;
    use host::test_time::Deadline;
    use host::test_time::TestClock;
    use session::Waker;
    use session::protocol::Record;

    /// A guest with scripted events that ignores what it is sent.
    struct Scripted(VecDeque<VmEvent>);

    impl Guest for Scripted {
        fn next(&mut self, _: Instant) -> Option<VmEvent> {
            self.0.pop_front()
        }

        fn send(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }

        fn waker(&self) -> Waker {
            Arc::new(|| {})
        }

        fn finish_reading(&mut self, _: Port) -> Result<(), String> {
            Ok(())
        }
    }

    fn soon() -> Deadline {
        TestClock::default().deadline(Duration::from_millis(50))
    }

    const OLD: [u8; 16] = [1; 16];
    const NEW: [u8; 16] = [2; 16];

    fn record(nonce: [u8; 16], seq: u64, kind: &str, payload: &str) -> VmEvent {
        let nonce = Nonce::from_bytes(nonce).as_str().to_owned();
        let payload = payload.as_bytes().to_vec();
        let kind = kind.to_owned();
        let record = Record {
            nonce,
            seq,
            kind,
            payload,
        };
        VmEvent::Control(record.encode())
    }

    fn resumed(events: Vec<VmEvent>) -> Result<Resumed, String> {
        let template = Nonce::from_bytes(OLD);
        let request = Resume {
            template: template.as_str(),
            entropy: "00".repeat(32),
            rescan: false,
            connectors: Vec::new(),
        };
        resume(
            &mut Scripted(events.into()),
            Nonce::from_bytes(NEW),
            &request,
            &soon(),
        )
    }

    #[test]
    fn restored_guest_must_answer_with_the_new_nonce() {
        let saved = Nonce::from_bytes(OLD).as_str().to_owned();
        let well = format!("{saved} 0");
        let check = |event: VmEvent, expect: Option<&str>| {
            let error = resumed(vec![event.clone()]).err();
            assert_eq!(error.as_deref(), expect, "{event:?}");
        };
        let silent = "the guest did not answer with the nonce of this start in time";
        check(record(NEW, 1, "resumed", &well), None);
        check(record(OLD, 1, "resumed", &well), Some(silent));
        check(record(NEW, 1, "out", "x"), Some(silent));
        let unknown = format!("{} 0", "0".repeat(32));
        check(
            record(NEW, 1, "resumed", &unknown),
            Some("another guest than the saved one answered"),
        );
        check(
            record(NEW, 1, "resumed", &format!("{saved} 1")),
            Some("the restored guest failed to take in its devices"),
        );
        check(
            VmEvent::Exited(Exit::Code(1)),
            Some("QEMU ended with exit status 1"),
        );
    }

    #[test]
    fn script_must_end_well_in_time() {
        let check = |event: VmEvent, expect: Option<&str>| {
            let mut guest = Scripted(VecDeque::from([event.clone()]));
            let error = run(&mut guest, Nonce::from_bytes(NEW), "true", &soon()).err();
            assert_eq!(error.as_deref(), expect, "{event:?}");
        };
        check(record(NEW, 2, "end", "0 0"), None);
        let silent = "the guest did not end a script in time";
        check(record(NEW, 1, "end", "0 0"), Some(silent));
        check(record(OLD, 2, "end", "0 0"), Some(silent));
        check(record(NEW, 2, "out", "x"), Some(silent));
        check(
            record(NEW, 2, "end", "1 0"),
            Some("a script in the guest ended with status 1"),
        );
    }

    #[test]
    fn output_before_the_answer_is_kept() {
        let saved = Nonce::from_bytes(OLD).as_str().to_owned();
        let answer = record(NEW, 1, "resumed", &format!("{saved} 0"));
        let events = vec![VmEvent::Console(b"driver".to_vec()), answer];
        let found = resumed(events).unwrap();
        assert_eq!(found.console, b"driver");
        assert!(found.control.starts_with(b"@kiln "));
    }

    #[test]
    fn image_without_the_capability_is_recognised() {
        let hello = |payload: &str| {
            let (nonce, kind, payload) = ("-".to_owned(), "hello".to_owned(), payload.into());
            let record = Record {
                nonce,
                seq: 1,
                kind,
                payload,
            };
            let events = vec![VmEvent::Control(record.encode())];
            hello(&mut Scripted(events.into()), &soon())
        };
        assert_eq!(hello("1 6.12.95 resume"), Ok(true));
        assert_eq!(hello("1 6.12.95"), Ok(false));
        assert!(hello("9 6.12.95 resume").is_err());
    }
}
