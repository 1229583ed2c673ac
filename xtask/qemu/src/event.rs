//! Parses QMP events into typed events.
//!
//! The session, [`crate::history`] and the inbox of [`crate::qmp`] match on [`QemuEvent`]. A script
//! that waits for an event by name gets the [`RawEvent`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as QEMU sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEvent {
    /// Its name, such as `SHUTDOWN`.
    #[serde(rename = "event")]
    pub name: String,
    /// Its data, null if absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    /// QEMU's time stamp in microseconds since 1970, or 0 if absent.
    #[serde(default, rename = "timestamp", with = "timestamp")]
    pub micros: u64,
}

/// An event that Kiln interprets (qapi/run-state.json, block-core.json, char.json, qdev.json, migration.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QemuEvent {
    /// QEMU is shutting down.
    Shutdown(Shutdown),
    /// The machine was reset.
    Reset {
        /// Whether the guest requested it.
        guest: bool,
    },
    /// The processors were stopped.
    Stop,
    /// The processors were resumed.
    Resume,
    /// A request of a disk failed, and the processors are stopped because of it (`werror=stop`).
    /// By default, QEMU does this for writes when the host's disk is full (`enospc`).
    DiskStop {
        /// The name of the block node, or else of the device.
        disk: String,
        /// `read` or `write`.
        operation: String,
        /// The host's message.
        reason: String,
    },
    /// The guest reported a panic through a device such as pvpanic.
    GuestPanicked(PanicAction),
    /// The guest opened or closed a virtio-serial port.
    PortChange {
        /// QEMU's id of the port.
        id: String,
        /// Whether it is open now.
        open: bool,
    },
    /// A device was removed.
    DeviceDeleted {
        /// Its id, if it has one.
        device: Option<String>,
    },
    /// The state of a migration changed. Sent if the capability `events` is on.
    Migration {
        /// The state, such as `active`, `completed`, `failed`.
        status: String,
    },
    /// Any other event.
    Other(RawEvent),
}

/// Why QEMU shuts down (qapi/run-state.json: `ShutdownCause`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// Whether the guest requested it.
    pub guest: bool,
    /// `guest-shutdown`, `guest-reset`, `guest-panic`, `host-qmp-quit`, `host-signal`, or a reason
    /// of a newer QEMU.
    pub reason: String,
}

/// QEMU's action after a reported panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanicAction {
    /// The guest continues.
    Run,
    /// The guest is paused, or QEMU shuts down.
    End,
}

impl From<&RawEvent> for QemuEvent {
    fn from(event: &RawEvent) -> Self {
        let text = |key: &str| event.data.get(key).and_then(Value::as_str);
        let flag = |key: &str| event.data.get(key).and_then(Value::as_bool);
        match event.name.as_str() {
            "SHUTDOWN" => Self::Shutdown(Shutdown {
                guest: flag("guest").unwrap_or_default(),
                reason: text("reason").unwrap_or("unknown").to_owned(),
            }),
            "RESET" => Self::Reset {
                guest: flag("guest").unwrap_or_default(),
            },
            "STOP" => Self::Stop,
            "RESUME" => Self::Resume,
            "BLOCK_IO_ERROR" if text("action") == Some("stop") => {
                let names = ["node-name", "device", "qom-path"].map(text).into_iter();
                let name = names.flatten().find(|name| !name.is_empty());
                Self::DiskStop {
                    disk: name.unwrap_or("a disk").to_owned(),
                    operation: text("operation").unwrap_or("request").to_owned(),
                    reason: text("reason").unwrap_or("unknown reason").to_owned(),
                }
            }
            "GUEST_PANICKED" => Self::GuestPanicked(match text("action") {
                Some("run") => PanicAction::Run,
                _ => PanicAction::End,
            }),
            "VSERPORT_CHANGE" => Self::PortChange {
                id: text("id").unwrap_or_default().to_owned(),
                open: flag("open").unwrap_or(true),
            },
            "DEVICE_DELETED" => Self::DeviceDeleted {
                device: text("device").map(str::to_owned),
            },
            "MIGRATION" => Self::Migration {
                status: text("status").unwrap_or_default().to_owned(),
            },
            _ => Self::Other(event.clone()),
        }
    }
}

mod timestamp {
    //! QEMU's `{"seconds": s, "microseconds": us}` as one number.

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Timestamp {
        seconds: i64,
        microseconds: i64,
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(micros: &u64, to: S) -> Result<S::Ok, S::Error> {
        let part = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Timestamp {
            seconds: part(micros / 1_000_000),
            microseconds: part(micros % 1_000_000),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let stamp = Timestamp::deserialize(from)?;
        let micros = stamp
            .seconds
            .saturating_mul(1_000_000)
            .saturating_add(stamp.microseconds);
        Ok(u64::try_from(micros).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_with_their_data() {
        let check = |name: &str, data: Value, expect: QemuEvent| {
            let raw = RawEvent {
                name: name.to_owned(),
                data,
                micros: 0,
            };
            assert_eq!(QemuEvent::from(&raw), expect, "{raw:?}");
        };
        let shutdown = |guest, reason: &str| {
            let reason = reason.to_owned();
            QemuEvent::Shutdown(Shutdown { guest, reason })
        };
        let reason = json!({"guest": true, "reason": "guest-reset"});
        check("SHUTDOWN", reason.clone(), shutdown(true, "guest-reset"));
        check("SHUTDOWN", Value::Null, shutdown(false, "unknown"));
        check("RESET", reason, QemuEvent::Reset { guest: true });
        check("STOP", Value::Null, QemuEvent::Stop);
        check("RESUME", Value::Null, QemuEvent::Resume);
        let failed = |name: &str, action: &str| json!({"device": "", "node-name": name, "qom-path": "/m", "operation": "write", "action": action, "reason": "full"});
        let stop = |disk: &str| QemuEvent::DiskStop {
            disk: disk.to_owned(),
            operation: "write".to_owned(),
            reason: "full".to_owned(),
        };
        check("BLOCK_IO_ERROR", failed("disk", "stop"), stop("disk"));
        check("BLOCK_IO_ERROR", failed("", "stop"), stop("/m"));
        let data = failed("disk", "report");
        let reported = RawEvent {
            name: "BLOCK_IO_ERROR".to_owned(),
            data: data.clone(),
            micros: 0,
        };
        check("BLOCK_IO_ERROR", data, QemuEvent::Other(reported));
        let panicked = QemuEvent::GuestPanicked;
        check(
            "GUEST_PANICKED",
            json!({"action": "run"}),
            panicked(PanicAction::Run),
        );
        check(
            "GUEST_PANICKED",
            json!({"action": "pause"}),
            panicked(PanicAction::End),
        );
        check("GUEST_PANICKED", Value::Null, panicked(PanicAction::End));
        let port = |id: &str, open| QemuEvent::PortChange {
            id: id.to_owned(),
            open,
        };
        check(
            "VSERPORT_CHANGE",
            json!({"id": "p", "open": false}),
            port("p", false),
        );
        check("VSERPORT_CHANGE", json!({"id": "p"}), port("p", true));
        let deleted = |device: Option<&str>| QemuEvent::DeviceDeleted {
            device: device.map(str::to_owned),
        };
        check("DEVICE_DELETED", json!({"device": "d"}), deleted(Some("d")));
        check(
            "DEVICE_DELETED",
            json!({"path": "/machine/x"}),
            deleted(None),
        );
        let status = "completed".to_owned();
        check(
            "MIGRATION",
            json!({"status": "completed"}),
            QemuEvent::Migration { status },
        );
        let future = RawEvent {
            name: "FUTURE".to_owned(),
            data: json!({"a": 1}),
            micros: 0,
        };
        check("FUTURE", json!({"a": 1}), QemuEvent::Other(future));
    }
}
