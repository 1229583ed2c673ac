//! Finds the message that explains a crash of QEMU.
//!
//! Used for the end of a test, of the probe and of the KVM check. Without such a message, the last
//! one is used.

use crate::console::text::clean;

/// The relevance of a line. A later line of the same relevance does not replace an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Any message.
    Message,
    /// The first line of a report, such as an assertion or a sanitizer's error.
    Report,
    /// A one-line summary of a report.
    Summary,
}

/// Takes the lines of QEMU's messages in order.
#[derive(Debug, Clone, Default)]
pub struct LastWords {
    explains: Option<(Weight, String)>,
    last: Option<String>,
}

impl LastWords {
    /// Reads a whole log.
    #[must_use]
    pub fn of(log: &str) -> Self {
        let mut words = Self::default();
        log.lines().for_each(|line| words.take(line));
        words
    }

    /// Takes a line.
    pub fn take(&mut self, line: &str) {
        let line = clean(line.as_bytes());
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let weight = weigh(line);
        if weight > Weight::Message
            && self
                .explains
                .as_ref()
                .is_none_or(|(known, _)| *known < weight)
        {
            self.explains = Some((weight, line.to_owned()));
        }
        self.last = Some(line.to_owned());
    }

    /// The line that explains the exit, if any.
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        self.explains.as_ref().map(|(_, line)| line.as_str())
    }

    /// The line that explains the exit, or the last one.
    #[must_use]
    pub fn best(&self) -> Option<&str> {
        self.explanation().or(self.last.as_deref())
    }
}

fn weigh(line: &str) -> Weight {
    // compiler-rt/lib/sanitizer_common/sanitizer_symbolizer_report.cpp
    if line.starts_with("SUMMARY: ") && line.contains("Sanitizer: ") {
        return Weight::Summary;
    }
    // assert(3) of glibc and musl, g_assert of GLib, `error_abort` (util/error.c), tcg_abort,
    // sanitizers, fatal errors of processors (`hw_error`, `cpu_abort`), glibc's heap checks.
    let is_report = (line.contains("Assertion `") && line.contains("failed"))
        || line.starts_with("Assertion failed: ")
        || (line.starts_with("ERROR:") && line.contains("assertion failed"))
        || (line.starts_with("ERROR:") && line.contains("code should not be reached"))
        || line.starts_with("Unexpected error in ")
        || line.contains("ERROR: AddressSanitizer")
        || line.contains("ERROR: ThreadSanitizer")
        || line.contains(": runtime error: ")
        || line.starts_with("qemu: fatal: ")
        || line.starts_with("qemu: hardware error: ")
        || line.contains("corrupted size vs. prev_size")
        || line.starts_with("free(): ")
        || line.starts_with("double free or corruption")
        || line.starts_with("malloc(): ")
        || line.starts_with("*** stack smashing detected ***");
    if is_report {
        Weight::Report
    } else {
        Weight::Message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_explaining_the_exit_is_found() {
        let check = |log: &str, explanation: Option<&str>, best: Option<&str>| {
            let words = LastWords::of(log);
            assert_eq!(
                (words.explanation(), words.best()),
                (explanation, best),
                "{log}"
            );
        };
        check("", None, None);
        check("warning: x\n\nlast \n\n", None, Some("last"));
        let glib = "ERROR:../tcg/region.c:782:tcg_init: assertion failed: (n < max)";
        let bail = format!("warning: x\n**\n{glib}\nBail out! {glib}\n");
        check(&bail, Some(glib), Some(glib));
        let libc = "qemu-system-x86_64: ../hw/x.c:12: f: Assertion `a == b' failed.";
        check(&format!("{libc}\nlater\n"), Some(libc), Some(libc));
        let summary = "SUMMARY: AddressSanitizer: heap-use-after-free ../hw/x.c:3 in f";
        let asan = format!(
            "==7==ERROR: AddressSanitizer: heap-use-after-free on 0x1\n    #0 0x1\n{summary}\n==7==ABORTING\n"
        );
        check(&asan, Some(summary), Some(summary));
        let abort = "Unexpected error in object_property_find() at ../qom/object.c:1:";
        check(
            &format!("{abort}\nqemu: Property x not found\n"),
            Some(abort),
            Some(abort),
        );
        check("\u{1b}[31m**\u{1b}[0m", None, Some("**"));
    }
}
