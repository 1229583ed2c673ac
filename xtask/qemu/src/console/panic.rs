//! Waits for the end of a kernel panic in the console of an interactive guest.

use super::{Console, Kind};

/// Detects a kernel panic in a console.
#[derive(Debug, Default)]
pub struct PanicWatch {
    console: Console,
    /// The panic message.
    pub panic: Option<String>,
    /// The end of the bytes read before.
    rest: Vec<u8>,
}

impl PanicWatch {
    /// Takes raw bytes. Returns whether the kernel has printed the end of its panic.
    pub fn is_over(&mut self, bytes: &[u8]) -> bool {
        for (kind, text) in self.console.feed(bytes) {
            if kind == Kind::Panic {
                self.panic.get_or_insert(text);
            }
        }
        self.rest.extend_from_slice(bytes);
        let is_over =
            self.panic.is_some() && self.rest.windows(LAST.len()).any(|window| window == LAST);
        let keep = self.rest.len().saturating_sub(LAST.len());
        self.rest.drain(..keep);
        is_over
    }
}

/// The last line of a kernel that halts after its panic: kernel/panic.c.
const LAST: &[u8] = b"end Kernel panic - not syncing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_found_across_chunks() {
        let text = "\r\n[    1.000000] Kernel panic - not syncing: sysrq\r\n[    1.100000] CPU: 0\r\n\
                    [    1.200000] ---[ end Kernel panic - not syncing: sysrq ]---\r\n";
        for at in 0..text.len() {
            let (first, rest) = text.as_bytes().split_at(at);
            let mut watch = PanicWatch::default();
            let over = [watch.is_over(first), watch.is_over(rest)];
            assert!(over.contains(&true), "{at}");
            assert_eq!(
                watch.panic.as_deref(),
                Some("Kernel panic - not syncing: sysrq")
            );
        }
        let mut watch = PanicWatch::default();
        assert!(!watch.is_over(b"echo end Kernel panic - not syncing\r\n"));
        assert_eq!(watch.panic, None);
    }
}
