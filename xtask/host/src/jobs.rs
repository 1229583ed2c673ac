//! One budget of job slots for all builds: the server side of GNU make's job server.
//!
//! A pipe holds one byte per free slot. A build step takes one before it starts, and the `make` in
//! it takes further ones from the same pipe. The protocol uses anonymous pipes, because make 4.3
//! does not know the named pipes of make 4.4. The `jobserver` crate does not fit: here the
//! descriptors have the same numbers in every child, and an interruption ends the wait for a slot.
//! Protocol: GNU make manual, "POSIX Jobserver Interaction".

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::interrupt::{self, Interrupted};
use crate::process::Command;

/// Interval at which a wait for a slot checks for an interruption.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Why no slot could be taken.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The pipe failed.
    #[error("failed to use the pipe of the job server")]
    Pipe(#[source] io::Error),
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// A pool of job slots, shared with every `make` below it. Clones share the pool.
#[derive(Debug, Clone)]
pub struct JobServer {
    pipe: Arc<Pipe>,
    slots: usize,
    flags: String,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// The read end, opened again in non-blocking mode without an effect on the children.
    peek: OwnedFd,
}

impl JobServer {
    /// Creates a pool of `slots` slots, at least 1.
    pub fn new(slots: usize) -> Result<Self, JobError> {
        // The limit is far above any processor count and fits into a pipe of 64 KiB.
        let slots = slots.clamp(1, 4096);
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        // `O_NONBLOCK` belongs to the open file, and some makes require a pipe that blocks.
        let own = format!("/proc/self/fd/{}", read.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let peek = open(own, flags, Mode::empty()).map_err(failed)?;
        let pipe = Arc::new(Pipe { read, write, peek });
        let flags = String::new();
        let server = Self { pipe, slots, flags };
        server.put(slots)?;
        Ok(server)
    }

    /// Passes further flags to every `make`, such as ` --shuffle=1`.
    #[must_use]
    pub fn and_flags(mut self, flags: &str) -> Self {
        self.flags.push_str(flags);
        self
    }

    /// The size of the pool.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Waits for a slot and takes it.
    pub fn acquire(&self) -> Result<Slot, JobError> {
        loop {
            interrupt::check()?;
            if let Some(slot) = self.take_within(&LOOK)? {
                return Ok(slot);
            }
        }
    }

    /// Takes a slot if one is free.
    pub fn try_acquire(&self) -> Result<Option<Slot>, JobError> {
        self.take_within(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        })
    }

    fn take_within(&self, time: &Timespec) -> Result<Option<Slot>, JobError> {
        let mut fds = [PollFd::new(&self.pipe.peek, PollFlags::IN)];
        match poll(&mut fds, Some(time)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(failed(error)),
        }
        let mut byte = [0];
        match rustix::io::read(&self.pipe.peek, &mut byte) {
            Ok(1) => Ok(Some(Slot {
                server: self.clone(),
            })),
            Ok(_) => Err(failed(Errno::PIPE)),
            // Another process took the byte first.
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn put(&self, count: usize) -> Result<(), JobError> {
        for _ in 0..count {
            while rustix::io::write(&self.pipe.write, b"+").map_err(failed)? == 0 {}
        }
        Ok(())
    }

    /// Makes every `make` below the command share the pool. The caller holds one slot meanwhile,
    /// because a `make` always runs one job without asking.
    pub fn configure(&self, command: Command) -> Result<Command, JobError> {
        let (read, write) = (command.next_fd(), command.next_fd() + 1);
        let clone = |fd: &OwnedFd| fd.try_clone().map_err(JobError::Pipe);
        let flags = self.makeflags(read, write);
        Ok(command
            .inherit_fd(clone(&self.pipe.read)?, read)
            .inherit_fd(clone(&self.pipe.write)?, write)
            .env("MAKEFLAGS", flags))
    }

    /// `MAKEFLAGS` for a child in which the pipe's ends have these numbers.
    #[must_use]
    pub fn makeflags(&self, read: i32, write: i32) -> String {
        let Self { slots, flags, .. } = self;
        format!(" -j{slots} --jobserver-auth={read},{write}{flags}")
    }
}

/// A taken slot. Dropping it returns it to the pool.
#[derive(Debug)]
pub struct Slot {
    server: JobServer,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The pipe cannot be full: this byte came out of it.
        let _ = self.server.put(1);
    }
}

fn failed(error: Errno) -> JobError {
    JobError::Pipe(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn job_slots_are_limited_and_returned() {
        let server = JobServer::new(2).expect("made");
        let first = server.acquire().expect("free");
        let second = server.try_acquire().expect("works").expect("free");
        assert!(server.try_acquire().expect("works").is_none());
        drop(first);
        let again = server.try_acquire().expect("works").expect("free");
        assert!(server.try_acquire().expect("works").is_none());
        drop((again, second));
    }

    #[test]
    fn pool_has_at_least_one_slot() {
        assert_eq!(JobServer::new(0).expect("made").slots(), 1);
    }

    #[test]
    fn returned_slot_wakes_a_waiter() {
        let server = JobServer::new(1).expect("made");
        let slot = server.acquire().expect("free");
        let waiting = server.clone();
        let thread = std::thread::spawn(move || waiting.acquire().map(drop));
        drop(slot);
        thread.join().expect("no panic").expect("free");
    }

    /// Runs two makes that share the pool. Each job counts the running jobs, and the maximum is the
    /// result.
    #[test]
    fn two_makes_share_the_job_slots() {
        let limit = Duration::from_secs(60);
        if crate::tools::find("make").is_none() {
            return;
        }
        let root = crate::scratch::Scratch::new_in("/tmp".into(), "jobs").expect("made");
        let makefile = "all: a b c d e f\n\
            a b c d e f:\n\
            \t@mkdir run/$(NAME)$@; ls run | wc -l; sleep 0.05; rmdir run/$(NAME)$@\n";
        fs_err::write(root.path().join("Makefile"), makefile).expect("written");
        fs_err::create_dir(root.path().join("run")).expect("made");
        let server = JobServer::new(2).expect("made");
        let run = |name: &str| {
            let (server, directory) = (server.clone(), root.path().to_owned());
            let name = format!("NAME={name}");
            std::thread::spawn(move || {
                let slot = server.acquire().expect("free");
                let make = Command::new("make")
                    .args(["-s", &name])
                    .current_dir(directory);
                let output = server.configure(make).expect("configured").output(limit);
                drop(slot);
                output.expect("runs")
            })
        };
        let makes = [run("x"), run("y")];
        let outputs = makes.map(|make| make.join().expect("no panic"));
        for output in &outputs {
            assert!(output.status.success(), "{}", output.stderr_text());
            assert_eq!(output.stderr_text(), "");
        }
        let counts = outputs.iter().flat_map(|output| {
            let text = output.stdout_text();
            text.lines()
                .map(|line| line.trim().parse().expect("a number"))
                .collect::<Vec<u32>>()
        });
        assert_eq!(counts.max(), Some(2));
        // Every slot was returned.
        let slots = (
            server.acquire().expect("free"),
            server.acquire().expect("free"),
        );
        assert!(server.try_acquire().expect("works").is_none());
        drop(slots);
    }
}
