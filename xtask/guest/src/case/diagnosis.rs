//! Adds explanations of a failure to a report: the location at which the script ended, function
//! names in a kernel's backtrace, and advice.

use plan::arch::Machine;
use verdict::event::TestReport;
use verdict::outcome::{Outcome, Phase};
use verdict::text::short_line;

use super::Case;
use evidence::symbols::Symbols;
use start::platform::Image;
use verdict::report::labels::is_fault;

/// Maximum length of a command.
const COMMAND: usize = 160;

impl Case<'_> {
    /// Handles `failed_at "LINE [WORD]…"`, which the libraries call when a script ends early.
    /// Returns file, line and command. The report contains the first call of a test.
    pub(super) fn failed_at(&self, args: &[String]) -> Option<String> {
        let text = args.join(" ");
        let (line, words) = text.split_once(' ').unwrap_or((&text, ""));
        let number: u32 = line.parse().ok()?;
        let file = self.setting.test.test.shown_path();
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let source = self.script.lines().nth(index)?;
        self.state().failed_line.get_or_insert(number);
        Some(format!("{file}:{number}: {}", command(source, words)))
    }
}

/// A command as in the script, and its expansion if it differs.
fn command(source: &str, words: &str) -> String {
    let short = |text: &str| {
        let mut text = short_line(text.trim().as_bytes());
        if let Some((cut, _)) = text.char_indices().nth(COMMAND) {
            text.truncate(cut);
            text.push('…');
        }
        text
    };
    let unquoted = |text: &str| text.replace(['"', '\''], "");
    let (source, words) = (short(source), short(words));
    if words.is_empty() || source.contains(&words) || unquoted(&source).contains(&words) {
        format!("`{source}`")
    } else {
        let first = |text: &str| text.split(' ').next().map(str::to_owned);
        let operators = ["&&", "||", "|", ";"];
        let is_list = operators.iter().any(|operator| source.contains(operator));
        let is_part = is_list || first(&source) != first(&words);
        let (before, after) = if is_part { ("… ", " …") } else { ("", "") };
        format!("`{source}`, expanded to `{before}{words}{after}`")
    }
}

/// Completes the report of a failed test. `was_ready`: whether a guest was ready for its test.
pub(super) fn complete(
    report: &mut TestReport,
    machine: &Machine,
    image: Option<&Image>,
    was_ready: bool,
) {
    if report.outcome.is_success() {
        return;
    }
    let advice = advice(report, machine);
    report.evidence.notes.extend(advice);
    if !was_ready && image.is_some_and(|image| image.kernel.is_some()) {
        report
            .evidence
            .notes
            .extend(about_kernel(report).map(str::to_owned));
    }
    drop_repetition(&report.outcome, &mut report.evidence.output_tail);
    let kernel = image.and_then(Image::own_kernel);
    if let Some(kernel) = kernel.filter(|_| is_fault(&report.evidence.console_tail)) {
        match Symbols::next_to(kernel) {
            Ok(symbols) => {
                for line in &mut report.evidence.console_tail {
                    *line = symbols.resolve(line);
                }
            }
            Err(error) => report.evidence.notes.push(error.to_string()),
        }
    }
}

/// Advice for a reader who has only the report.
fn advice(report: &TestReport, machine: &Machine) -> Vec<String> {
    let mut advice = Vec::new();
    if let Outcome::TimedOut {
        phase: Phase::Boot, ..
    } = report.outcome
    {
        advice.push("on a slow host, `--timeout-factor 4` raises all limits".to_owned());
    }
    let known = |device: &String| machine.advice.get(device).cloned();
    advice.extend(report.setup.devices.iter().filter_map(known));
    advice
}

/// The message of the init of `images/common/init.c` if it finds no port for the control channel.
const NO_PORT: &str = "init: no virtio-serial port named";

/// Why the user's own kernel may have failed before the test.
fn about_kernel(report: &TestReport) -> Option<&'static str> {
    let has = |text: &str| {
        report
            .evidence
            .console_tail
            .iter()
            .any(|line| line.contains(text))
    };
    let is_boot = matches!(
        report.outcome,
        Outcome::TimedOut {
            phase: Phase::Boot,
            ..
        } | Outcome::GuestPanicked { .. }
            | Outcome::LostGuest { .. }
    );
    if !is_boot {
        return None;
    }
    Some(if has(NO_PORT) {
        "the kernel has no driver for the control channel: it needs CONFIG_VIRTIO_CONSOLE=y and the bus \
         of the machine, CONFIG_VIRTIO_PCI=y or CONFIG_VIRTIO_MMIO=y"
    } else if has("VFS: Unable to mount root fs") {
        "the kernel did not unpack the initramfs: it needs CONFIG_BLK_DEV_INITRD=y"
    } else if report.evidence.console_tail.is_empty() {
        "the kernel printed nothing: it needs a driver for the console of the machine, or died before that"
    } else {
        "the kernel did not reach the init of the image; without --kernel, the image's own kernel boots"
    })
}

/// Removes the cause from the end of the output.
fn drop_repetition(outcome: &Outcome, output: &mut Vec<String>) {
    let cause = outcome.cause();
    let repeats = |line: &String| {
        let line = line.trim();
        // The helper command `qemu` prints the outcome and the cause.
        let line = line
            .strip_prefix("qemu: ")
            .and_then(|rest| rest.strip_prefix(outcome.label()))
            .map_or(line, |rest| rest.trim_start_matches(": "));
        !line.is_empty() && (cause == line || cause.ends_with(&format!(", last line: {line}")))
    };
    while output.last().is_some_and(repeats) {
        output.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_shown_with_differing_expansion() {
        let check = |source: &str, words: &str, expect: &str| {
            assert_eq!(command(source, words), expect);
        };
        let expanded = "`test \"$x\" = 6`, expanded to `test 5 = 6`";
        check("    test \"$x\" = 6", "test 5 = 6", expanded);
        check("    test 1 = 2", "test 1 = 2", "`test 1 = 2`");
        let part = "expanded to `… test 5 = 6 …`";
        for source in [
            "a && test $(b) = 6",
            "test $(b) = 6 || a",
            "! test $(b) = 6",
        ] {
            check(source, "test 5 = 6", &format!("`{source}`, {part}"));
        }
        check("grep -q 'a b' f", "grep -q a b f", "`grep -q 'a b' f`");
        check("cat x | grep y", "", "`cat x | grep y`");
        check("a $b\u{1b}[31m", "a c\u{7}", "`a $b`, expanded to `a c`");
        let long = "x".repeat(COMMAND + 1);
        check(&long, "", &format!("`{}…`", "x".repeat(COMMAND)));
    }

    #[test]
    fn notes_advise_on_slow_hosts_and_devices() {
        let machine = Machine {
            advice: [("pxb".to_owned(), "boot with `-machine b`".to_owned())].into(),
            ..machine()
        };
        let check = |outcome: Outcome, devices: &[&str], expect: &[&str]| {
            let mut report = TestReport::new("x86_64", "a", "b");
            report.outcome = outcome;
            report.setup.devices = devices.iter().map(|&device| device.to_owned()).collect();
            complete(&mut report, &machine, None, false);
            assert_eq!(report.evidence.notes, expect);
        };
        let timed_out = |phase| Outcome::TimedOut {
            phase,
            limit_ms: 1000,
        };
        let factor = "on a slow host, `--timeout-factor 4` raises all limits";
        check(timed_out(Phase::Boot), &[], &[factor]);
        check(timed_out(Phase::Test), &["nvme"], &[]);
        check(
            timed_out(Phase::Boot),
            &["pxb"],
            &[factor, "boot with `-machine b`"],
        );
        let failed = || Outcome::Failed {
            cause: "exit status 1".to_owned(),
        };
        check(failed(), &["nvme", "pxb"], &["boot with `-machine b`"]);
        check(Outcome::Passed, &["pxb"], &[]);
    }

    #[test]
    fn boot_failures_of_own_kernels_are_explained() {
        let check = |outcome: Outcome, console: &str, expect: Option<&str>| {
            let mut report = TestReport::new("x86_64", "a", "b");
            report.outcome = outcome;
            report.evidence.console_tail = console.lines().map(str::to_owned).collect();
            let note = about_kernel(&report);
            let fits = match (note, expect) {
                (Some(note), Some(expect)) => note.contains(expect),
                (note, expect) => note == expect,
            };
            assert!(fits, "{note:?}, expected {expect:?}");
        };
        let late = || Outcome::timed_out(Phase::Boot, std::time::Duration::from_secs(20));
        let panicked = || Outcome::GuestPanicked {
            message: "not syncing".to_owned(),
        };
        let port = "init: no virtio-serial port named `org.kiln.control` yet";
        check(late(), port, Some("CONFIG_VIRTIO_CONSOLE=y"));
        check(late(), "", Some("printed nothing"));
        check(late(), "Run /init", Some("did not reach the init"));
        let root = "Kernel panic - not syncing: VFS: Unable to mount root fs on";
        check(panicked(), root, Some("CONFIG_BLK_DEV_INITRD=y"));
        check(Outcome::Passed, "", None);
    }

    fn machine() -> Machine {
        Machine {
            name: "a".to_owned(),
            options: Vec::new(),
            tcg_options: Vec::new(),
            cpu: None,
            kvm_cpu: None,
            append: String::new(),
            args: Vec::new(),
            control: None,
            root_disk: None,
            virtio: Some("pci".to_owned()),
            memory_max: None,
            migration: true,
            unusable: Vec::new(),
            power_off: true,
            reset: true,
            boot_timeout: None,
            hotplug: None,
            connectors: None,
            advice: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn end_of_output_does_not_repeat_cause() {
        let check = |cause: &str, output: &[&str], expect: &[&str]| {
            let outcome = Outcome::Failed {
                cause: cause.to_owned(),
            };
            let mut lines: Vec<String> = output.iter().map(|&line| line.to_owned()).collect();
            drop_repetition(&outcome, &mut lines);
            assert_eq!(lines, expect, "{cause}");
        };
        let cause = "exit status 1, last line: no disk";
        check(cause, &["one", "no disk"], &["one"]);
        check(
            cause,
            &["one", "no disk", &format!("qemu: failed: {cause}")],
            &["one"],
        );
        check(cause, &["no disk", "later"], &["no disk", "later"]);
        check("wrong size", &["wrong size"], &[]);
        check("wrong size", &["a wrong size"], &["a wrong size"]);
        check("x", &[], &[]);
    }
}
