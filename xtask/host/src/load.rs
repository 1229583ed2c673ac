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
        add_threads(&process.to_string(), &mut threads, |thread| {
            let children = fs_err::read_to_string(thread.join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        });
    }
    threads
}

/// Adds the threads of one process, and calls `each` with their directories in `/proc`.
fn add_threads(
    process: &str,
    threads: &mut BTreeMap<u32, CpuTime>,
    mut each: impl FnMut(&std::path::Path),
) {
    let Ok(entries) = fs_err::read_dir(format!("/proc/{process}/task")) else {
        return;
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
        each(&entry.path());
    }
}

/// The threads of this process, without those of its children.
#[must_use]
pub fn own_threads() -> BTreeMap<u32, CpuTime> {
    let mut threads = BTreeMap::new();
    add_threads("self", &mut threads, |_| {});
    threads
}

/// Whether a signal has stopped the process (state `T` or `t`, `proc_pid_stat(5)`).
#[must_use]
pub fn is_stopped(process: u32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|text| state(&text).is_some_and(|state| matches!(state, 'T' | 't')))
}

/// Whether the thread runs or waits for a processor (state `R`).
#[must_use]
pub fn is_runnable(thread: u32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{thread}/task/{thread}/stat"));
    stat.is_ok_and(|text| state(&text) == Some('R'))
}

/// The state in a line of `/proc/PID/stat`. The name before it may contain spaces and parentheses.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
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
    fn only_computing_process_is_runnable() {
        for (script, expect) in [("while :; do :; done", true), ("read -r line", false)] {
            let command = crate::process::Command::new("sh")
                .args(["-c", script])
                .stdin(crate::process::Stdio::Pipe);
            let running = command.spawn().unwrap();
            let limit = crate::wait::Limit::within(Duration::from_secs(20));
            let found = || (is_runnable(running.pid()) == expect).then_some(());
            assert_eq!(crate::wait::poll(limit, found), Ok(()), "{script}");
        }
        assert!(!is_runnable(u32::MAX));
    }

    #[test]
    fn own_threads_exclude_children() {
        let command = crate::process::Command::new("sleep").args(["1000"]);
        let running = command.spawn().unwrap();
        let own = own_threads();
        let id = std::process::id();
        assert!(own.contains_key(&id) && !own.contains_key(&running.pid()));
        let all = threads([id]);
        assert!(all.contains_key(&running.pid()), "{all:?}");
    }

    #[test]
    fn state_follows_the_name_of_the_program() {
        let check = |stat: &str, expect| assert_eq!(state(stat), expect, "{stat}");
        check("17 (sh) S 1 17", Some('S'));
        check("17 (a) R b) T 1 17", Some('T'));
        check("", None);
        assert!(!is_stopped(std::process::id()));
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
