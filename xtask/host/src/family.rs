//! `exec-family`, the hidden subcommand that supervises a child and all its descendants.
//!
//! A process leaves its group by a call of `setsid`, and then no longer ends with the group. It
//! cannot leave the process tree below a subreaper (`PR_SET_CHILD_SUBREAPER`): a process whose
//! parent ends becomes a child of the subreaper. Therefore a child that may start arbitrary
//! processes gets a supervisor, which is another process of this executable. The supervisor kills
//! all descendants when the child has ended or when the run is gone.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;

use rustix::process::{Pid, Signal, WaitOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Runs a program as the supervisor of its family. Returns the program's status as a shell encodes
/// it, once no process of the family is left. `guard` is the subcommand that ties the program to
/// this process.
pub(crate) fn supervise(
    parent: i32,
    guard: &str,
    program: &OsStr,
    args: impl Iterator<Item = OsString>,
) -> io::Result<Option<i32>> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))?;
    watch_parent(parent, own)?;
    let mut command = guarded(own, guard);
    let child = Pid::from_child(&command.arg(program).args(args).spawn()?);
    loop {
        // Orphaned descendants are reaped here too.
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                end_descendants(own);
                let code = status.exit_status();
                let signal = || status.terminating_signal().map(|signal| 128 + signal);
                return Ok(code.or_else(signal));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Prepares the program. Its parent-death signal ends it when this process ends for any reason.
fn guarded(own: Pid, guard: &str) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let mut command = std::process::Command::new("/proc/self/exe");
    let own = own.as_raw_nonzero().to_string();
    command.args([guard, &own, "--"]);
    command
}

/// Kills the family when the parent ends. The group's signals reach the program directly and it may
/// take its time to end, so the supervisor ignores them.
fn watch_parent(parent: i32, own: Pid) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let is_there =
        move || rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    // The parent may have ended before the signal was requested.
    if !is_there() {
        return Err(io::Error::other("its parent is gone"));
    }
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                if !is_there() {
                    end_descendants(own);
                    // Also kills this process, and processes that were about to start.
                    let _ = rustix::process::kill_process(own, Signal::KILL);
                }
            }
        })?;
    Ok(())
}

/// Kills all descendants of a process, but not the process itself.
///
/// All of them are stopped first, repeatedly until no running one is found. A stopped process
/// cannot fork, so not even a fork bomb escapes.
pub(crate) fn end_descendants(root: Pid) {
    let mut stopped = HashSet::new();
    loop {
        let found = descendants(root, &parents());
        let new: Vec<Pid> = found.difference(&stopped).copied().collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            // A process that has ended or changed its user cannot be stopped.
            let _ = rustix::process::kill_process(pid, Signal::STOP);
            stopped.insert(pid);
        }
    }
    for pid in stopped {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Every process and its parent, read from `/proc`.
fn parents() -> HashMap<Pid, Pid> {
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return HashMap::new();
    };
    let entry = |entry: io::Result<fs_err::DirEntry>| {
        let entry = entry.ok()?;
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let stat = fs_err::read_to_string(entry.path().join("stat")).ok()?;
        Some((pid, parent_in(&stat)?))
    };
    entries.filter_map(entry).collect()
}

/// Parses `12 (a name) S 3 …` (`proc_pid_stat(5)`). The name may contain any character.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}

fn descendants(root: Pid, parents: &HashMap<Pid, Pid>) -> HashSet<Pid> {
    let mut found = HashSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for (&pid, _) in parents.iter().filter(|(_, of)| **of == parent) {
            if found.insert(pid) {
                open.push(pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn parent_is_parsed_after_any_process_name() {
        let check = |stat: &str, parent: Option<i32>| {
            assert_eq!(parent_in(stat), parent.map(pid), "{stat}");
        };
        check("12 (sh) S 3 12 12 0", Some(3));
        check("12 (a) R 9 (b) S 3 12", Some(3));
        check("2 (kthreadd) S 0 0 0", None);
        check("", None);
    }

    #[test]
    fn descendants_include_all_generations_only() {
        let pairs = [(2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 2)];
        let parents = pairs.map(|(child, parent)| (pid(child), pid(parent)));
        let found = descendants(pid(2), &HashMap::from(parents));
        assert_eq!(found, [3, 4, 7].map(pid).into());
        assert!(descendants(pid(9), &HashMap::from(parents)).is_empty());
    }
}
