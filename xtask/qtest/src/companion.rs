//! A program that a device of QEMU talks to over a socket, such as an emulator of a TPM.

use std::time::Duration;

use camino::Utf8Path;
use host::process::{Command, ProcessError, Running, Stdio};
use host::test_time::{Followed, TestClock};
use host::wait::{Limit, poll};

/// How long the program may take to create its socket, in test time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program of a test. It runs in the directory of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Companion {
    /// Its name on PATH.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// The socket that it creates in its directory.
    pub socket: &'static str,
}

/// Why the program is not available.
#[derive(Debug, thiserror::Error)]
pub enum CompanionError {
    /// It cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It did not create its socket.
    #[error("expected the socket `{socket}` of `{program}` within {} s", PATIENCE.as_secs())]
    Socket {
        /// The socket.
        socket: &'static str,
        /// The program.
        program: &'static str,
    },
}

impl Companion {
    /// Starts the program, and waits for its socket. The clock follows the program. Dropping the
    /// result ends the program.
    pub fn start(
        &self,
        directory: &Utf8Path,
        clock: &TestClock,
    ) -> Result<(Running, Followed), CompanionError> {
        let running = Command::new(self.program)
            .args(self.arguments)
            .current_dir(directory)
            .stdin(Stdio::Null)
            .stdout(Stdio::Null)
            .stderr(Stdio::Null)
            .spawn()?;
        let followed = clock.follow_while(running.pid());
        let deadline = clock.deadline(PATIENCE);
        let socket = directory.join(self.socket);
        let is_there =
            || (socket.exists() || running.try_wait().is_some()).then(|| socket.exists());
        match poll(Limit::while_left(&deadline), is_there) {
            Ok(true) => Ok((running, followed)),
            _ => Err(CompanionError::Socket {
                socket: self.socket,
                program: self.program,
            }),
        }
    }
}
