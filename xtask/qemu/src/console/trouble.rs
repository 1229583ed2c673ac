//! Detects messages of a kernel error with a table.
//!
//! Guests may write anything to their console, so a message counts without a time stamp only if its
//! wording is unmistakable. All others need the kernel's time stamp before them. The caller decides
//! about errors that a test announced, such as an expected panic.

use super::text::clean;

/// The severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The kernel has stopped.
    Panic,
    /// The kernel killed the current task. Its state can no longer be trusted.
    Oops,
    /// Useful if something fails. Under emulation, stalls and lockups are often only slowness, so
    /// they are not a verdict.
    Notice,
}

use Anchor::{Anywhere, Stamped};
use Kind::{Notice, Oops, Panic};

/// The required position of the text.
#[derive(Clone, Copy, PartialEq)]
enum Anchor {
    /// At the start of a message, with or without a time stamp.
    Anywhere,
    /// At the start of a message that has a time stamp.
    Stamped,
}

/// Severity, position, start of the message, and further required text. The first match applies.
/// Sources are files of Linux 6.12.
const TABLE: &[(Kind, Anchor, &str, &str)] = &[
    // kernel/panic.c
    (Panic, Anywhere, "Kernel panic - not syncing", ""),
    // kernel/watchdog.c, kernel/workqueue.c, kernel/hung_task.c, kernel/rcu/tree_stall.h
    (Notice, Anywhere, "watchdog: BUG: soft lockup - CPU#", ""),
    (Notice, Anywhere, "BUG: soft lockup - CPU#", ""),
    (
        Notice,
        Anywhere,
        "watchdog: Watchdog detected hard LOCKUP",
        "",
    ),
    (
        Notice,
        Anywhere,
        "NMI watchdog: Watchdog detected hard LOCKUP",
        "",
    ),
    (Notice, Anywhere, "BUG: workqueue lockup", ""),
    (Notice, Anywhere, "INFO: task ", " blocked for more than "),
    (Notice, Anywhere, "rcu: INFO: ", "detected"),
    (Notice, Anywhere, "INFO: rcu", "detected"),
    // kernel/panic.c, lib/ubsan.c, mm/oom_kill.c
    (Notice, Anywhere, "WARNING: CPU: ", ""),
    (Notice, Stamped, "WARNING: ", ""),
    (Notice, Anywhere, "UBSAN: ", ""),
    (Notice, Anywhere, "Out of memory: Killed process", ""),
    // arch/x86/mm/fault.c, arch/powerpc/mm/fault.c, mm/kasan/report.c, mm/kfence/report.c
    (Oops, Anywhere, "BUG: kernel NULL pointer dereference", ""),
    (Oops, Anywhere, "BUG: Kernel NULL pointer dereference", ""),
    (Oops, Anywhere, "BUG: unable to handle", ""),
    (Oops, Anywhere, "BUG: Unable to handle", ""),
    (Oops, Anywhere, "BUG: KASAN: ", ""),
    (Oops, Anywhere, "BUG: KFENCE: ", ""),
    (Oops, Anywhere, "BUG: scheduling while atomic", ""),
    (
        Oops,
        Anywhere,
        "BUG: sleeping function called from invalid context",
        "",
    ),
    (Oops, Anywhere, "BUG: Bad page ", ""),
    (Oops, Stamped, "BUG: ", ""),
    // lib/bug.c
    (Oops, Anywhere, "kernel BUG at ", ""),
    // arch/x86/kernel/dumpstack.c, traps.c; arch/powerpc/kernel/traps.c; arch/s390/kernel/dumpstack.c
    (Oops, Anywhere, "Oops: ", "[#"),
    (Oops, Anywhere, "Oops: general protection fault", ""),
    (Oops, Anywhere, "general protection fault", ": 0000"),
    (
        Oops,
        Anywhere,
        "general protection fault, probably for ",
        "",
    ),
    (Oops, Anywhere, "traps: PANIC: double fault", ""),
    (Oops, Anywhere, "PANIC: double fault", ""),
    (Oops, Anywhere, "Bad kernel stack pointer ", ""),
    (Oops, Stamped, "Unrecoverable ", "xception"),
    (Oops, Anywhere, "Machine check in kernel mode.", ""),
    // arch/arm64/mm/fault.c, arch/arm64/kernel/traps.c; arch/riscv/mm/fault.c
    (Oops, Anywhere, "Unable to handle kernel ", ""),
    (Oops, Anywhere, "Internal error: ", "[#"),
    (Oops, Anywhere, "SError Interrupt on CPU", ""),
    (Oops, Anywhere, "Bad mode in ", " handler detected on CPU"),
    (
        Oops,
        Anywhere,
        "Insufficient stack space to handle exception!",
        "",
    ),
    // arch/riscv/kernel/traps.c, and every other `die()` that counts: `... [#1] SMP`.
    (Oops, Anywhere, "Oops [#", ""),
    (Oops, Anywhere, "Oops - ", "[#"),
    (Oops, Stamped, "", " [#1]"),
];

/// Starts of messages of a healthy boot that would match the table.
const HARMLESS: &[&str] = &[
    // arch/powerpc/kernel/nvram_64.c: QEMU starts with an empty NVRAM.
    "WARNING: nvram corruption detected",
];

/// The kernel error in a line of the console, in the kernel's words.
#[must_use]
pub fn scan(line: &[u8]) -> Option<(Kind, String)> {
    // Quick check: most lines contain no character that every message of the table needs.
    if !line.iter().any(|byte| matches!(byte, b':' | b'[' | b'-')) {
        return None;
    }
    let line = clean(line);
    messages(&line).find_map(|(stamped, message)| {
        if HARMLESS.iter().any(|start| message.starts_with(start)) {
            return None;
        }
        let (kind, ..) = TABLE.iter().find(|(_, anchor, start, besides)| {
            (stamped || *anchor == Anywhere)
                && message.starts_with(start)
                && message.contains(besides)
        })?;
        Some((*kind, message.trim_end().to_owned()))
    })
}

/// Headings of backtraces and of register dumps: arch/*/kernel/process.c, arch/x86/kernel/dumpstack.c.
const HEADINGS: [&str; 3] = ["Call Trace:", "Call trace:", "NIP: "];

/// Whether a kernel's fault report begins or continues with this line: an error, or the heading of
/// a backtrace or register dump.
#[must_use]
pub fn begins_report(line: &[u8]) -> bool {
    let text = clean(line);
    messages(&text).any(|(stamped, message)| {
        stamped && HEADINGS.iter().any(|start| message.starts_with(start))
    }) || scan(line).is_some()
}

/// The kernel's time stamp at the start of a line, in microseconds.
#[must_use]
pub fn stamp(line: &[u8]) -> Option<u64> {
    let text = clean(&line[..line.len().min(40)]);
    let rest = text.trim_start().strip_prefix('[')?;
    let (seconds, rest) = rest.trim_start().split_once('.')?;
    let micros = rest.get(..6).filter(|_| rest[6..].starts_with(']'))?;
    Some(seconds.parse::<u64>().ok()?.saturating_mul(1_000_000) + micros.parse::<u64>().ok()?)
}

/// The messages of a line: the whole line, and the text after each time stamp, because the kernel
/// may continue a line that a program began.
fn messages(line: &str) -> impl Iterator<Item = (bool, &str)> {
    let whole = line.trim_start();
    // `<4>` is the log level, if the console shows it.
    let whole = match whole
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
    {
        Some((level, rest)) if level.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => whole,
    };
    let stamped = line
        .match_indices('[')
        .filter_map(|(at, _)| after_stamp(&line[at + 1..]));
    stamped
        .map(|message| (true, message))
        .chain([(false, whole)])
}

/// Converts `    1.234567] text` to `text`, and with `CONFIG_PRINTK_CALLER` also `1.234567][    T1]
/// text`.
fn after_stamp(text: &str) -> Option<&str> {
    let (stamp, rest) = text.split_once(']')?;
    let (seconds, fraction) = stamp.trim_start().split_once('.')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    // kernel/printk/printk.c: `[%5lu.%06lu]`.
    if !digits(seconds) || !digits(fraction) || fraction.len() != 6 {
        return None;
    }
    let caller = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let rest = match caller {
        Some((name, rest)) if name.trim_start().starts_with(['T', 'C']) => rest,
        _ => rest,
    };
    Some(rest.trim_start())
}

#[cfg(test)]
mod tests;
