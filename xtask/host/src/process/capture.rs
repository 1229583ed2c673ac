//! Runs a child to its end and captures its output.

use std::io::{Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::{Command, ExitStatus, ProcessError, Running, Stdio};
use crate::test_time::TestClock;
use crate::wait::{self, Limit};

/// Limit of the kept output per stream. Further output is read and dropped.
pub const CAPTURE_LIMIT: usize = 8 << 20;

/// Extra time after a child has ended, because a process that left its group may still hold the
/// pipes.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// The result of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// stdout, up to [`CAPTURE_LIMIT`].
    pub stdout: Vec<u8>,
    /// stderr, up to [`CAPTURE_LIMIT`].
    pub stderr: Vec<u8>,
    /// Output was dropped.
    pub truncated: bool,
}

impl Output {
    /// stdout as text. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// stderr as text. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Command {
    /// Runs the child to its end and returns its output. Kills it after `limit`, in test time.
    pub fn output(self, limit: Duration) -> Result<Output, ProcessError> {
        self.output_with_input(Vec::new(), limit)
    }

    /// Like [`Command::output`], with these bytes as stdin.
    pub fn output_with_input(
        self,
        input: Vec<u8>,
        limit: Duration,
    ) -> Result<Output, ProcessError> {
        let program = self.program().to_string_lossy().into_owned();
        let stdin = if input.is_empty() {
            Stdio::Null
        } else {
            Stdio::Pipe
        };
        let mut running = self
            .stdin(stdin)
            .stdout(Stdio::Pipe)
            .stderr(Stdio::Pipe)
            .spawn()?;
        if let Some(mut stdin) = running.stdin.take() {
            // A child need not read all of its input. Its exit status is what counts.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = running.stdout.take().map(Captured::collect);
        let stderr = running.stderr.take().map(Captured::collect);
        let status = finished(&running, program, limit)?;
        let (stdout, more_stdout) = stdout.map(Captured::finish).unwrap_or_default();
        let (stderr, more_stderr) = stderr.map(Captured::finish).unwrap_or_default();
        Ok(Output {
            status,
            stdout,
            stderr,
            truncated: more_stdout || more_stderr,
        })
    }

    /// Runs the child to its end and returns its stdout. Any status but 0 is an error that contains
    /// stderr.
    pub fn read(self, limit: Duration) -> Result<String, ProcessError> {
        let line = self.shell_line();
        let output = self.output(limit)?;
        if output.status.success() {
            return Ok(output.stdout_text());
        }
        Err(ProcessError::Failed {
            line,
            status: output.status,
            stderr: output.stderr_text(),
        })
    }

    /// Runs the child to its end with its configured streams. Kills it after `limit`, in test time.
    pub fn run(self, limit: Duration) -> Result<ExitStatus, ProcessError> {
        let program = self.program().to_string_lossy().into_owned();
        finished(&self.spawn()?, program, limit)
    }
}

/// Waits for the end of the child. Kills it after `limit`, in test time.
fn finished(
    running: &Running,
    program: String,
    limit: Duration,
) -> Result<ExitStatus, ProcessError> {
    let status = finished_on(&TestClock::of_own_threads(), running, limit);
    crate::interrupt::check()?;
    status.ok_or(ProcessError::TimedOut { program, limit })
}

/// Like [`finished`], on this clock.
fn finished_on(clock: &TestClock, running: &Running, limit: Duration) -> Option<ExitStatus> {
    let _followed = clock.follow_while(running.pid());
    let end = clock.deadline(limit);
    let status = running.wait_until(Limit::while_left(&end)).ok();
    if status.is_none() {
        running.kill();
    }
    status
}

/// The output that a reading thread has collected, and the message that it has reached the end.
struct Captured {
    bytes: Arc<Mutex<(Vec<u8>, bool)>>,
    end: mpsc::Receiver<()>,
}

impl Captured {
    fn collect(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new((Vec::new(), false)));
        let (at_end, end) = mpsc::channel();
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let fits = length.min(CAPTURE_LIMIT - kept.0.len());
                kept.0.extend_from_slice(&chunk[..fits]);
                kept.1 |= fits < length;
            }
            drop(at_end);
        });
        Self { bytes, end }
    }

    fn finish(self) -> (Vec<u8>, bool) {
        let clock = TestClock::of_own_threads();
        let end = clock.deadline(STRAGGLERS);
        // It suffices either way that the thread has ended or that another process holds the pipe.
        let _ = wait::receive(&self.end, Limit::while_left(&end));
        std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::load::CpuTime;
    use crate::test_time::{Source, Threads};

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script])
    }

    #[test]
    fn both_streams_are_captured_apart() {
        let output = shell("echo out; echo err >&2; exit 3")
            .output(LIMIT)
            .expect("runs");
        let status = ExitStatus::Code(3);
        let (stdout, stderr) = (b"out\n".to_vec(), b"err\n".to_vec());
        assert_eq!(
            output,
            Output {
                status,
                stdout,
                stderr,
                truncated: false
            }
        );
    }

    #[test]
    fn child_is_killed_at_its_time_limit() {
        let error = shell("sleep 1000")
            .output(Duration::from_millis(30))
            .expect_err("too slow");
        assert_eq!(error.to_string(), "`sh` did not finish within 0.03 s");
    }

    /// A clock of which each sample is four seconds later, for a child that the host starves or that waits.
    struct Steps {
        is_starved: bool,
        samples: u32,
        /// The stdin of the child, closed at this sample.
        stdin: Option<(u32, std::process::ChildStdin)>,
    }

    impl std::fmt::Debug for Steps {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} samples", self.samples)
        }
    }

    impl Source for Steps {
        fn wall(&mut self) -> Duration {
            self.samples += 1;
            self.stdin.take_if(|(sample, _)| *sample == self.samples);
            Duration::from_secs(4) * self.samples
        }

        fn threads(&mut self, processes: &BTreeSet<u32>) -> Threads {
            let mut time = CpuTime::default();
            if self.is_starved {
                time.waited = Duration::from_secs(4) * self.samples;
            }
            processes.iter().map(|process| (*process, time)).collect()
        }

        fn is_runnable(&mut self, _: u32) -> bool {
            false
        }

        fn is_stopped(&mut self, _: &BTreeSet<u32>) -> bool {
            false
        }
    }

    #[test]
    fn only_starved_child_may_end_late() {
        let run = |is_starved| {
            let mut running = shell("read -r line").stdin(Stdio::Pipe).spawn().unwrap();
            let stdin = running.stdin.take().map(|stdin| (20, stdin));
            let steps = Steps {
                is_starved,
                samples: 0,
                stdin,
            };
            finished_on(&TestClock::from_source(steps, 1.0), &running, LIMIT)
        };
        assert_eq!(run(true), Some(ExitStatus::Code(1)));
        assert_eq!(run(false), None);
    }

    #[test]
    fn output_flood_is_cut_without_blocking_child() {
        let output = shell("head -c 9000000 /dev/zero; echo end >&2")
            .output(LIMIT)
            .expect("runs");
        assert_eq!(output.stdout.len(), CAPTURE_LIMIT);
        assert!(output.truncated);
        assert_eq!(output.stderr_text(), "end\n");
    }

    #[test]
    fn input_reaches_the_child() {
        let input = vec![b'x'; 300_000];
        let output = shell("wc -c")
            .output_with_input(input, LIMIT)
            .expect("runs");
        assert_eq!(output.stdout_text().trim(), "300000");
    }

    #[test]
    fn process_holding_the_pipe_does_not_block() {
        // `setsid` leaves the group. The process holds the pipe until this test's own descriptor
        // closes.
        let output = shell("setsid sleep 5 & echo end")
            .output(LIMIT)
            .expect("runs");
        assert_eq!(output.stdout_text(), "end\n");
    }

    #[test]
    fn failure_reports_command_status_and_output() {
        let error = shell("echo first >&2; echo 'no space' >&2; exit 4").read(LIMIT);
        assert_eq!(
            error.expect_err("fails").to_string(),
            "`sh -c 'echo first >&2; echo '\\''no space'\\'' >&2; exit 4'` exited with exit status 4: no space"
        );
        assert_eq!(shell("echo fine").read(LIMIT).expect("runs"), "fine\n");
    }
}
