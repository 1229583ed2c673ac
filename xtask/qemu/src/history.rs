//! The facts of a guest's life, folded from its events: what it announced, how it ended.
//!
//! `probe` and `qtest` explain with it why a QEMU ended. Events without a field here are kept as they
//! are.

use std::collections::VecDeque;

use crate::accel::Verdict;
use crate::event::{QemuEvent, RawEvent, Shutdown};
use crate::vm::{Exit, VmEvent};

/// Lines of QEMU's own messages that are kept for a report.
const MESSAGES: usize = 20;

/// Events without a meaning here that are kept; a guest that resets in a loop makes many.
const OTHERS: usize = 1000;

/// What happened in a guest's life so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// QEMU was asked to quit, or decided to.
    pub shutdown: Option<Shutdown>,
    /// The guest reported a panic over a device such as pvpanic.
    pub panicked: bool,
    /// How often the machine was reset.
    pub resets: u32,
    /// The processors stand still, since a `STOP`.
    pub stopped: bool,
    /// The last of QEMU's own messages.
    pub messages: VecDeque<String>,
    /// QMP events that have no field here, the first of them.
    pub others: Vec<RawEvent>,
    /// How the process ended.
    pub exit: Option<Exit>,
}

/// Why the process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitCause {
    /// A signal that was not ours ended QEMU: its own defect, or the host's memory.
    Crashed {
        /// The signal's number.
        signal: i32,
    },
    /// QEMU gave up with an error. Before the guest's first word that means: did not start.
    Failed {
        /// Its exit status.
        code: i32,
    },
    /// The guest or we asked for it.
    Shutdown(Shutdown),
    /// QEMU exited with status 0 and without a reason, as for `-device help`.
    Silent,
}

impl History {
    /// Takes an event in.
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
            | QemuEvent::PortChange { .. }
            | QemuEvent::DeviceDeleted { .. }
            | QemuEvent::Migration { .. } => {}
        }
    }

    /// Why it ended, once it has. A signal that we sent is not for this function:
    /// see `Vm::was_killed`.
    #[must_use]
    pub fn exit_cause(&self) -> Option<ExitCause> {
        Some(match (self.exit?, &self.shutdown) {
            (Exit::Signal(signal), _) => ExitCause::Crashed { signal },
            // A guest may choose QEMU's status, as with isa-debug-exit; then a reason came first.
            (Exit::Code(_), Some(shutdown)) => ExitCause::Shutdown(shutdown.clone()),
            (Exit::Code(0), None) => ExitCause::Silent,
            (Exit::Code(code), None) => ExitCause::Failed { code },
        })
    }

    /// The last of QEMU's own messages as text.
    #[must_use]
    pub fn message_tail(&self) -> String {
        let lines: Vec<&str> = self.messages.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

/// The verdict that an event of a trial boot gives at once: QEMU's own words on a broken KVM.
/// A QMP `STOP` is not a verdict by itself; `Vm::status` says `internal-error` after it then.
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

/// What QEMU's kvm code writes when KVM cannot start (accel/kvm/kvm-all.c: `kvm_init`) or stops
/// in the middle of a guest (`kvm_cpu_exec`).
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
    fn stop_resume_reset_and_panic_are_noted() {
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
    fn the_last_messages_are_kept() {
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
