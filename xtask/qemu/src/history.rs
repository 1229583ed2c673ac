//! Collects the facts about a guest from its events: what it announced, and how it ended.
//!
//! `probe` and `qtest` use it to explain the exit of a QEMU. Events without a field here are stored
//! unchanged.

use std::collections::VecDeque;

use crate::accel::Verdict;
use crate::event::{QemuEvent, RawEvent, Shutdown};
use crate::vm::{Exit, VmEvent};

/// Number of lines of QEMU's messages that are kept.
const MESSAGES: usize = 20;

/// Number of uninterpreted events that are kept, because a guest that resets in a loop causes many.
const OTHERS: usize = 1000;

/// The events of a guest so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// QEMU announced a shutdown.
    pub shutdown: Option<Shutdown>,
    /// The guest reported a panic through a device such as pvpanic.
    pub panicked: bool,
    /// Number of resets of the machine.
    pub resets: u32,
    /// Whether the processors are stopped since a `STOP`.
    pub stopped: bool,
    /// The last messages of QEMU.
    pub messages: VecDeque<String>,
    /// The first uninterpreted QMP events.
    pub others: Vec<RawEvent>,
    /// How the process ended.
    pub exit: Option<Exit>,
}

/// Why the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitCause {
    /// A signal that Kiln did not send ended QEMU: a defect of QEMU, or an out-of-memory kill.
    Crashed {
        /// The signal's number.
        signal: i32,
    },
    /// QEMU exited with an error. Before the first output of the guest, it did not start.
    Failed {
        /// Its exit status.
        code: i32,
    },
    /// The guest or Kiln requested it.
    Shutdown(Shutdown),
    /// QEMU exited with status 0 without a reason, as for `-device help`.
    Silent,
}

impl History {
    /// Records an event.
    pub fn note(&mut self, event: &VmEvent) {
        match event {
            VmEvent::Console(_) | VmEvent::Control(_) | VmEvent::Ended(_) | VmEvent::Woken => {}
            VmEvent::Stderr(line) => {
                if self.messages.len() == MESSAGES {
                    self.messages.pop_front();
                }
                self.messages.push_back(line.clone());
            }
            VmEvent::Exited(exit) => self.exit = Some(*exit),
            VmEvent::Qmp(event) => self.note_qmp(event),
        }
    }

    fn note_qmp(&mut self, event: &QemuEvent) {
        match event {
            QemuEvent::Shutdown(shutdown) => self.shutdown = Some(shutdown.clone()),
            QemuEvent::GuestPanicked(_) => self.panicked = true,
            QemuEvent::Reset { .. } => self.resets += 1,
            QemuEvent::Stop => self.stopped = true,
            QemuEvent::Resume => self.stopped = false,
            QemuEvent::Other(event) if self.others.len() < OTHERS => {
                self.others.push(event.clone());
            }
            QemuEvent::Other(_)
            | QemuEvent::DiskStop { .. }
            | QemuEvent::PortChange { .. }
            | QemuEvent::DeviceDeleted { .. }
            | QemuEvent::Migration { .. } => {}
        }
    }

    /// Why it ended, if it has. Does not consider signals that Kiln sent: see `Vm::was_killed`.
    #[must_use]
    pub fn exit_cause(&self) -> Option<ExitCause> {
        Some(match (self.exit?, &self.shutdown) {
            (Exit::Signal(signal), _) => ExitCause::Crashed { signal },
            // A guest may set QEMU's exit status, for example with isa-debug-exit. Then a shutdown
            // reason precedes it.
            (Exit::Code(_), Some(shutdown)) => ExitCause::Shutdown(shutdown.clone()),
            (Exit::Code(0), None) => ExitCause::Silent,
            (Exit::Code(code), None) => ExitCause::Failed { code },
        })
    }

    /// The last messages of QEMU as text.
    #[must_use]
    pub fn message_tail(&self) -> String {
        let lines: Vec<&str> = self.messages.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

/// The verdict of a trial boot that follows from an event: a message of QEMU about a broken KVM. A
/// QMP `STOP` alone is not a verdict. `Vm::status` then returns `internal-error`.
#[must_use]
pub fn broken_kvm(event: &VmEvent) -> Option<Verdict> {
    match event {
        VmEvent::Stderr(line) if BROKEN.iter().any(|words| line.contains(words)) => {
            Some(Verdict::Fails {
                why: line.trim().to_owned(),
            })
        }
        _ => None,
    }
}

/// Messages of QEMU's KVM code if KVM cannot start (accel/kvm/kvm-all.c: `kvm_init`) or fails while
/// the guest runs (`kvm_cpu_exec`).
const BROKEN: &[&str] = &[
    "KVM internal error",
    "error: kvm run failed",
    "Could not access KVM kernel module",
    "failed to initialize kvm",
    "kvm_create_vm",
    "ioctl(KVM_CREATE_VM) failed",
    "invalid accelerator kvm",
    "kvm version not supported",
    "KVM: unknown exit, hardware reason",
    "kvm: unhandled exit",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn qmp(name: &str, data: Value) -> VmEvent {
        VmEvent::Qmp(QemuEvent::from(&RawEvent {
            name: name.into(),
            data,
            micros: 0,
        }))
    }

    #[test]
    fn process_exit_is_distinguished() {
        let check = |events: &[VmEvent], expect: Option<ExitCause>| {
            let mut history = History::default();
            for event in events {
                history.note(event);
            }
            assert_eq!(history.exit_cause(), expect, "{events:?}");
        };
        let shutdown = |guest: bool, reason: &str| {
            let data = json!({"guest": guest, "reason": reason});
            (
                qmp("SHUTDOWN", data),
                ExitCause::Shutdown(Shutdown {
                    guest,
                    reason: reason.into(),
                }),
            )
        };
        let (off, off_end) = shutdown(true, "guest-shutdown");
        let (new, new_end) = shutdown(true, "some-reason-of-the-future");
        check(&[], None);
        check(std::slice::from_ref(&off), None);
        check(
            &[off.clone(), VmEvent::Exited(Exit::Code(0))],
            Some(off_end.clone()),
        );
        check(&[new, VmEvent::Exited(Exit::Code(0))], Some(new_end));
        check(
            &[off.clone(), VmEvent::Exited(Exit::Code(3))],
            Some(off_end),
        );
        check(
            &[off, VmEvent::Exited(Exit::Signal(6))],
            Some(ExitCause::Crashed { signal: 6 }),
        );
        check(
            &[VmEvent::Exited(Exit::Signal(11))],
            Some(ExitCause::Crashed { signal: 11 }),
        );
        check(
            &[VmEvent::Exited(Exit::Code(1))],
            Some(ExitCause::Failed { code: 1 }),
        );
        check(&[VmEvent::Exited(Exit::Code(0))], Some(ExitCause::Silent));
    }

    #[test]
    fn unknown_events_are_kept_within_limits() {
        let mut history = History::default();
        for _ in 0..2000 {
            history.note(&qmp("NEW_THING", json!({"a": 1})));
        }
        assert_eq!(history.others.len(), OTHERS);
        assert_eq!(history.others[0].name, "NEW_THING");
    }

    #[test]
    fn stop_resume_reset_and_panic_are_recorded() {
        let mut history = History::default();
        history.note(&qmp("STOP", json!({})));
        assert!(history.stopped);
        history.note(&qmp("RESUME", json!({})));
        assert!(!history.stopped);
        history.note(&qmp(
            "RESET",
            json!({"guest": true, "reason": "guest-reset"}),
        ));
        assert_eq!(history.resets, 1);
        history.note(&qmp("GUEST_PANICKED", json!({"action": "pause"})));
        assert!(history.panicked);
    }

    #[test]
    fn last_messages_are_kept() {
        let mut history = History::default();
        for number in 0..30 {
            history.note(&VmEvent::Stderr(format!("line {number}")));
        }
        assert!(history.message_tail().starts_with("line 10\n"));
        assert!(history.message_tail().ends_with("line 29"));
    }

    #[test]
    fn qemu_messages_decide_the_verdict() {
        let check = |line: &str, expect: bool| {
            let event = VmEvent::Stderr(line.to_owned());
            assert_eq!(broken_kvm(&event).is_some(), expect, "{line}");
        };
        check("KVM internal error. Suberror: 1", true);
        check("error: kvm run failed Bad address", true);
        check(
            "Could not access KVM kernel module: Permission denied",
            true,
        );
        check(
            "qemu-system-x86_64: failed to initialize kvm: Permission denied",
            true,
        );
        check(
            "qemu-system-aarch64: -accel kvm: invalid accelerator kvm",
            true,
        );
        check(
            "qemu-system-x86_64: warning: host doesn't support requested feature",
            false,
        );
        assert_eq!(
            broken_kvm(&VmEvent::Console(b"KVM internal error".to_vec())),
            None
        );
    }
}
