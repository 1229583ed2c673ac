//! Detects commands that save or load the whole state of a machine.
//!
//! QEMU's events do not distinguish a load from a stop followed by a continue, so the commands are
//! recorded.

use serde_json::Value;

/// A command that saves or loads a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotCommand {
    /// `savevm` or `snapshot-save`.
    Save,
    /// `loadvm` or `snapshot-load`.
    Load,
}

/// The snapshot command in a QMP command, including commands of the human monitor.
#[must_use]
pub fn by_command(command: &str, arguments: &Value) -> Option<SnapshotCommand> {
    let name = match command {
        "human-monitor-command" => {
            let line = arguments.get("command-line").and_then(Value::as_str)?;
            line.split_whitespace().next()?
        }
        name => name,
    };
    match name {
        "snapshot-save" | "savevm" => Some(SnapshotCommand::Save),
        "snapshot-load" | "loadvm" => Some(SnapshotCommand::Load),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn snapshots_are_recorded_from_both_monitors() {
        let check = |command: &str, line: &str, expect| {
            let arguments = json!({ "command-line": line });
            assert_eq!(by_command(command, &arguments), expect, "{command} {line}");
        };
        check("snapshot-save", "", Some(SnapshotCommand::Save));
        check("snapshot-load", "", Some(SnapshotCommand::Load));
        check("snapshot-delete", "", None);
        check(
            "human-monitor-command",
            "savevm s",
            Some(SnapshotCommand::Save),
        );
        check(
            "human-monitor-command",
            " loadvm s",
            Some(SnapshotCommand::Load),
        );
        check("human-monitor-command", "info snapshots", None);
        check("human-monitor-command", "", None);
    }
}
