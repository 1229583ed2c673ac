//! QEMU's trace events: the events of a binary, and the matching of patterns.

use std::time::Duration;

use camino::Utf8Path;
use host::process::Command;

use crate::error::QemuError;

/// Time limit of `-trace help`, which starts no machine.
const WAIT: Duration = Duration::from_secs(30);

/// The names of the built-in events.
pub fn events(binary: &Utf8Path) -> Result<Vec<String>, QemuError> {
    let help = Command::new(binary).args(["-trace", "help"]).output(WAIT);
    let help = help.map_err(|error| QemuError::Spawn {
        binary: binary.to_owned(),
        why: error.to_string(),
    })?;
    let text = help.stdout_text();
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

/// Whether a pattern, in which `*` is any text and `?` any character, matches the name of an event.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let mut starts = name.char_indices().map(|(index, _)| index);
            let rest = rest.as_str();
            matches(rest, "") || starts.any(|start| matches(rest, &name[start..]))
        }
        Some(wanted) => {
            let mut name = name.chars();
            let fits = name
                .next()
                .is_some_and(|have| wanted == '?' || wanted == have);
            fits && matches(rest.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_qemu_reads_them() {
        let check = |pattern, name, expect| {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        };
        check("nvme_mmio_read", "nvme_mmio_read", true);
        check("nvme_mmio_read", "nvme_mmio_write", false);
        check("nvme_*", "nvme_mmio_read", true);
        check("*_read", "nvme_mmio_read", true);
        check("*mmio*", "nvme_mmio_read", true);
        check("*", "anything", true);
        check("virtio_?", "virtio_x", true);
        check("virtio_?", "virtio_", false);
        check("nvme", "nvme_mmio_read", false);
        check("", "nvme", false);
    }
}
