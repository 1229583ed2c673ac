//! The CPU time of threads, from the kernel's accounting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The CPU time of one thread since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time on a processor.
    pub ran: Duration,
    /// Time that it was runnable but waited for a processor.
    pub waited: Duration,
}

/// The threads of processes and all their descendants, by thread id. Omits ended threads, and all
/// threads if the kernel lacks `CONFIG_SCHED_INFO`.
#[must_use]
pub fn threads(processes: impl IntoIterator<Item = u32>) -> BTreeMap<u32, CpuTime> {
    let mut open: Vec<u32> = processes.into_iter().collect();
    let mut seen = BTreeSet::new();
    let mut threads = BTreeMap::new();
    while let Some(process) = open.pop() {
        if !seen.insert(process) {
            continue;
        }
        let Ok(entries) = fs_err::read_dir(format!("/proc/{process}/task")) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            // A thread may end between the reads.
            let account = fs_err::read_to_string(entry.path().join("schedstat"));
            let time = account.ok().and_then(|text| parse(&text));
            threads.extend(number.zip(time));
            let children =
                fs_err::read_to_string(entry.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    threads
}

/// The time that the threads of a process and its descendants ran.
#[must_use]
pub fn ran(process: u32) -> Duration {
    threads([process]).values().map(|time| time.ran).sum()
}

/// Parses nanoseconds on a processor, nanoseconds on a run queue and the number of time slices
/// (`Documentation/scheduler/sched-stats.rst` of Linux).
fn parse(schedstat: &str) -> Option<CpuTime> {
    let mut fields = schedstat.split_whitespace();
    let mut time = || fields.next()?.parse().ok().map(Duration::from_nanos);
    Some(CpuTime {
        ran: time()?,
        waited: time()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_has_two_times() {
        let check = |text: &str, expect: Option<(u64, u64)>| {
            let found = parse(text).map(|time| (time.ran, time.waited));
            let nanos = |(ran, waited)| (Duration::from_nanos(ran), Duration::from_nanos(waited));
            assert_eq!(found, expect.map(nanos), "{text}");
        };
        check("1905096 12 1\n", Some((1_905_096, 12)));
        check("0 0 0", Some((0, 0)));
        check("7", None);
        check("", None);
        check("a b c", None);
    }

    #[test]
    fn own_threads_are_counted() {
        let mut sum = 0_u64;
        for number in 0..2_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        let threads = threads([std::process::id()]);
        assert!(threads.values().any(|time| !time.ran.is_zero()), "{sum}");
    }

    #[test]
    fn ended_process_has_no_threads() {
        // Above the highest process id that Linux assigns (PID_MAX_LIMIT).
        assert_eq!(threads([u32::MAX]), BTreeMap::new());
    }

    #[test]
    fn children_are_counted() {
        let command =
            crate::process::Command::new("sh").args(["-c", "sleep 1000 & sleep 1000; true"]);
        let running = command.spawn().unwrap();
        let limit = crate::wait::Limit::within(Duration::from_secs(20));
        let three = || (threads([running.pid()]).len() == 3).then_some(());
        assert_eq!(crate::wait::poll(limit, three), Ok(()));
    }
}
