//! Waits for the last line of a kernel in the console of an interactive guest.

use super::{Console, Kind};

/// Detects the end of a guest in its console: a kernel panic, or a power-off of a machine that stays on.
#[derive(Debug, Default)]
pub struct EndWatch {
    console: Console,
    /// The panic message.
    pub panic: Option<String>,
    /// Whether the machine stays on after the guest has powered off, because it has no device for that.
    stays_on: bool,
    /// The end of the bytes read before.
    rest: Vec<u8>,
}

impl EndWatch {
    /// For a machine that stays on after its guest has powered off, or not.
    #[must_use]
    pub fn new(stays_on: bool) -> Self {
        Self {
            stays_on,
            ..Self::default()
        }
    }

    /// Takes raw bytes. Returns whether the kernel has printed its last line.
    pub fn is_over(&mut self, bytes: &[u8]) -> bool {
        for (kind, text) in self.console.feed(bytes) {
            if kind == Kind::Panic {
                self.panic.get_or_insert(text);
            }
        }
        self.rest.extend_from_slice(bytes);
        let has = |line: &[u8]| self.rest.windows(line.len()).any(|window| window == line);
        let is_over = self.panic.is_some() && has(LAST) || self.stays_on && has(HALTED);
        let keep = self.rest.len().saturating_sub(LAST.len().max(HALTED.len()));
        self.rest.drain(..keep);
        is_over
    }
}

/// The last line of a kernel that halts after its panic: kernel/panic.c.
const LAST: &[u8] = b"end Kernel panic - not syncing";

/// The last line of a kernel that cannot power off its machine: kernel/reboot.c.
const HALTED: &[u8] = b"reboot: Power off not available: System halted instead";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_off_ends_a_machine_that_stays_on() {
        let text = b"\r\n[    2.000000] reboot: Power off not available: System halted instead\r\n";
        for at in 0..text.len() {
            for stays_on in [false, true] {
                let mut watch = EndWatch::new(stays_on);
                let over = [watch.is_over(&text[..at]), watch.is_over(&text[at..])];
                assert_eq!(over.contains(&true), stays_on, "{at}");
                assert_eq!(watch.panic, None);
            }
        }
    }

    #[test]
    fn panic_is_found_across_chunks() {
        let text = "\r\n[    1.000000] Kernel panic - not syncing: sysrq\r\n[    1.100000] CPU: 0\r\n\
                    [    1.200000] ---[ end Kernel panic - not syncing: sysrq ]---\r\n";
        for at in 0..text.len() {
            let (first, rest) = text.as_bytes().split_at(at);
            let mut watch = EndWatch::default();
            let over = [watch.is_over(first), watch.is_over(rest)];
            assert!(over.contains(&true), "{at}");
            assert_eq!(
                watch.panic.as_deref(),
                Some("Kernel panic - not syncing: sysrq")
            );
        }
        let mut watch = EndWatch::default();
        assert!(!watch.is_over(b"echo end Kernel panic - not syncing\r\n"));
        assert_eq!(watch.panic, None);
    }
}
